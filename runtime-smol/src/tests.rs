mod conformance;
mod own;
