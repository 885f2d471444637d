use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use zeroize::Zeroizing;

/// The generator of everything random here: ChaCha20 keyed with the caller's seed.
pub(super) fn from_seed(seed: [u8; 32]) -> ChaCha20Rng {
    let seed = Zeroizing::new(seed);
    ChaCha20Rng::from_seed(*seed)
}

/// Fills `bytes` from the stream of `seed`.
pub(super) fn fill(seed: [u8; 32], bytes: &mut [u8]) {
    from_seed(seed).fill_bytes(bytes);
}

/// Two seeds out of one: for the AES key, and for the padding of its wrapping.
pub(super) fn split(seed: [u8; 32]) -> ([u8; 32], [u8; 32]) {
    let mut rng = from_seed(seed);
    let mut seeds = ([0; 32], [0; 32]);
    rng.fill_bytes(&mut seeds.0);
    rng.fill_bytes(&mut seeds.1);
    seeds
}
