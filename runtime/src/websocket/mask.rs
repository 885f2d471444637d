/// The mask of a payload sent by a client (RFC 6455, section 5.3), which may be processed in pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask([u8; 4]);

impl Mask {
    pub(super) fn new(key: [u8; 4]) -> Self {
        Self(key)
    }

    /// Masks or unmasks the next bytes of the payload.
    pub(super) fn apply(&mut self, bytes: &mut [u8]) {
        let Self(key) = self;
        let mut words = bytes.chunks_exact_mut(key.len());
        for word in &mut words {
            word.iter_mut().zip(*key).for_each(|(byte, key)| *byte ^= key);
        }
        let rest = words.into_remainder();
        rest.iter_mut().zip(*key).for_each(|(byte, key)| *byte ^= key);
        key.rotate_left(rest.len());
    }
}
