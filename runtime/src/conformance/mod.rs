//! What every leaf must do, as tests that are written once.
