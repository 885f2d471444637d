//! Fuzz targets. The world and the reference model that they hold the code against are in `testkit`.
//!
//! Each target of [`targets`] is a function that takes any bytes and panics where something is wrong. libFuzzer calls it (`cargo +nightly fuzz
//! run NAME`), and so does an ordinary test, with every input of `corpus/NAME` and `regressions/NAME`. CONTRIBUTING.md says how
//! to work with them.
//!
//! | module | |
//! |---|---|
//! | [`targets`] | what is fuzzed, and what must hold |
//! | [`seeds`] | the inputs to begin with, made of the golden vectors |
//! | [`files`] | corpora and regressions as they are on disk |
//!
//! A target reads its bytes as choices (`input.rs`), and makes frames (`forge.rs`), operations (`script.rs`) and configurations
//! (`config.rs`) of them: each mutation then is another run that means something.

mod config;
pub mod files;
mod forge;
mod input;
mod script;
pub mod seeds;
pub mod targets;
mod wire;

/// Makes the program of a target: libFuzzer's where cargo-fuzz builds it, else one that runs the files that it is given.
#[macro_export]
macro_rules! program {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::targets::$target(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::files::run_arguments($crate::targets::$target)
        }
    };
}
