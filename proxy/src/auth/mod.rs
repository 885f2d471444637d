//! Authentication and identities: credentials of applications and of scrapers, from files.

pub(crate) mod applications;
pub(crate) mod failures;
pub(crate) mod live;
pub(crate) mod parse;
pub(crate) mod scrapers;

#[cfg(test)]
mod tests;

pub use live::AuthFileError;
