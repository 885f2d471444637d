//! The configurations of the proxy's parts, derived from the settings.

use super::{Config, Envelope};
use crate::http::{Limits, ScrapeTimeouts};
use crate::ingress::forwarded::Balancers;
use crate::proxy::ADMIN_CONNECTIONS;
use crate::service::leaving::DrainTimes;
use crate::service::memory::Shares;
use crate::service::workers::Rules;
use prometheus_rsocket_protocol::collector;
use prometheus_rsocket_protocol::envelope::OpenLimits;
use prometheus_rsocket_protocol::exposition::{self, Policy};
use prometheus_rsocket_protocol::rsocket::connection;
use std::sync::Arc;

impl Config {
    pub(crate) fn collector(&self) -> collector::Config {
        let mut collector = collector::Config::default();
        // Connections that have made room still exist until they are told so.
        collector.max_connections = self.max_connections.saturating_add(self.max_turned_away);
        collector.max_gone = self.max_gone_applications;
        collector.grace = self.app_grace;
        // A scrape that was replaced or answered may take a moment to end.
        collector.max_scrapes = self.max_scrapes().saturating_mul(2);
        collector.max_pending_bytes = Shares::of(self.max_memory).answers;
        collector.max_pushes = self.max_held_pushes;
        collector.max_push_bytes = self.max_held_push_bytes;
        // One push of any legal size always fits, since it is no longer than a frame.
        collector.max_app_push_bytes = (self.max_held_push_bytes / 4).max(self.max_frame_bytes);
        collector.app_push_rate = u32::try_from(self.max_push_rate).unwrap_or(u32::MAX);
        collector.app_push_burst = collector.app_push_rate.saturating_mul(5);
        collector.push_keep = self.push_keep;
        collector.stores_pushes = self.push_dir.is_some();
        collector.push_ttl = self.push_ttl;
        collector.min_envelope = self.min_envelope;
        // Without a file there is nothing to check, and a token would be of no use.
        collector.admission = self.auth_file.is_some();
        collector
    }

    /// Returns how many scrapes may be under way. Most only wait for applications, so this leaves HTTP connections for everything else.
    pub(crate) fn max_scrapes(&self) -> usize {
        (self.max_http_connections / 2).max(self.max_concurrent_scrapes)
    }

    pub(crate) fn open_limits(&self) -> OpenLimits {
        let mut limits = OpenLimits::default();
        limits.max_text_len = self.max_text_bytes;
        limits.allow_plaintext = self.envelope == Envelope::Plaintext;
        limits
    }

    /// Returns the rules by which texts are read and rendered.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            open: self.open_limits(),
            policy: Arc::new(self.policy()),
            inject: self.inject_identity,
            gzip_level: self.gzip_level,
        }
    }

    pub(crate) fn policy(&self) -> Policy {
        let unless = |limit: Option<usize>| limit.unwrap_or(usize::MAX);
        Policy {
            limits: exposition::Limits {
                max_text_len: self.max_text_bytes,
                max_line_len: unless(self.max_line_bytes),
                max_labels: unless(self.max_labels),
                max_series: unless(self.max_series),
                max_families: unless(self.max_families),
            },
            on_bad_line: self.on_bad_line,
            identity_labels: self.identity_labels.iter().map(|name| name.as_str().into()).collect(),
            reserved: self.reserved_names.clone(),
        }
    }

    /// Returns the configuration of applications' connections.
    pub(crate) fn connection(&self) -> connection::Config {
        let mut connection = connection::Config::default();
        connection.max_frame_len = self.max_frame_bytes;
        // A push or an answer in fragments may be as long as one in a frame, and a connection has one at a time.
        connection.max_payload_len = self.max_frame_bytes;
        connection.max_unfinished = self.max_frame_bytes;
        // What the proxy sends is short: keys, requests, reports. The rest is echoes of what the application sent.
        connection.max_queued_output = 256 * 1024;
        connection.setup_timeout = self.setup_timeout;
        connection
    }

    /// Returns the load balancers in front of the listeners for applications.
    pub(crate) fn balancers(&self) -> Balancers {
        Balancers { protocol: self.proxy_protocol, trusted: self.trusted_proxies.clone() }
    }

    pub(crate) fn drain(&self) -> DrainTimes {
        let linger = self.push_dir.is_none().then_some(self.push_linger);
        DrainTimes {
            delay: self.drain_delay,
            spread: self.drain_spread,
            scrapes: self.shutdown_timeout,
            linger,
        }
    }

    pub(crate) fn scrape_timeouts(&self) -> ScrapeTimeouts {
        ScrapeTimeouts {
            default: self.scrape_timeout,
            max: self.scrape_timeout_max,
            offset: self.scrape_timeout_offset,
        }
    }

    /// Returns how many HTTP connections still report the proxy's own state when all others are busy.
    fn spare_connections(&self) -> usize {
        (self.max_http_connections / 4).clamp(1, 16)
    }

    /// Returns how many HTTP connections may be open on all listeners, spare ones included.
    pub(crate) fn http_descriptors(&self) -> usize {
        let admin = if self.listen_admin.is_on() { 2 * ADMIN_CONNECTIONS } else { 0 };
        self.max_http_connections.saturating_add(self.spare_connections()).saturating_add(admin)
    }

    pub(crate) fn http_limits(&self) -> Limits {
        Limits {
            max_connections: self.max_http_connections,
            spare_connections: self.spare_connections(),
            handshake_timeout: self.handshake_timeout,
            shutdown_timeout: self.shutdown_timeout,
            ..Limits::default()
        }
    }
}
