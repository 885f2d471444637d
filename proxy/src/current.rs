use event_listener::{Event, EventListener};
use std::sync::{Arc, Mutex, PoisonError};

/// A value that is replaced as a whole while others read it. Clones share it.
#[derive(Debug)]
pub struct Current<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T> {
    value: Mutex<Arc<T>>,
    replaced: Event,
}

impl<T> Current<T> {
    /// Returns the present value.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value. Readers that have the previous one keep it.
    pub fn set(&self, value: T) {
        *self.0.value.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
        self.0.replaced.notify(usize::MAX);
    }

    /// Returns a listener for replacements. Listen first, and read the value then.
    pub(crate) fn listen(&self) -> EventListener {
        self.0.replaced.listen()
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Current<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(Shared { value: Mutex::new(Arc::new(value)), replaced: Event::new() }))
    }
}
