use std::cell::Cell;

/// Lends a buffer of `len` bytes to read into.
///
/// A reader needs one only while it is polled, but tens of thousands of idle connections would each hold their own. So there is
/// one per thread. It holds whatever the previous user left: look only at what was written.
pub(crate) fn with_scratch<T>(len: usize, f: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with(|cell| {
        // Taken instead of borrowed: a stream that reads through here itself gets its own buffer.
        let mut scratch = cell.take();
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let (lent, _) = scratch.split_at_mut(len);
        let result = f(lent);
        cell.set(scratch);
        result
    })
}

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}
