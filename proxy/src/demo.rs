use prometheus_rsocket_runtime::Runtime;
use std::net::SocketAddr;
pub(crate) fn start<R: Runtime>(_runtime: &R, _proxy: SocketAddr, _count: usize) {}
