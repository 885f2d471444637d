//! The settings for load balancers in front of the listeners for applications.

use super::Config;
use super::error::ConfigError;
use super::value::{Choice, chosen};
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Returns a conflict between these settings.
pub(super) fn check(c: &Config) -> Option<ConfigError> {
    (c.proxy_protocol != ProxyProtocol::Off && c.trusted_proxies.is_empty()).then(|| {
        let protocol = c.proxy_protocol;
        ConfigError::Conflict(format!("--proxy-protocol {protocol} needs --trusted-proxies"))
    })
}

/// Whether applications' connections begin with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Connections begin with RSocket, TLS or HTTP.
    #[default]
    Off,
    /// Connections from trusted load balancers may begin with a header.
    Optional,
    /// Every connection comes from a trusted load balancer and begins with a header.
    Required,
}

impl Choice for ProxyProtocol {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("optional", Self::Optional), ("required", Self::Required)];
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(chosen(self))
    }
}

/// The networks of trusted load balancers; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Returns whether an address belongs to a trusted load balancer.
    pub fn contains(&self, address: IpAddr) -> bool {
        // A listener on [::] sees IPv4 addresses as IPv4-mapped IPv6 addresses.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Returns whether no load balancer is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Reads networks and addresses separated by commas, or `none`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::default());
        }
        let network = |part: &str| {
            let part = part.trim();
            let address = || part.parse::<IpAddr>().ok().map(IpNet::from);
            part.parse().ok().or_else(address).ok_or_else(|| {
                format!("{part:?} is neither an address nor a network such as 10.0.0.0/8")
            })
        };
        text.split(',').map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (position, network) in self.0.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(f, "{comma}{network}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::TrustedProxies;

    #[test]
    fn networks_are_read_and_matched() {
        let trusted: TrustedProxies = "10.0.0.0/8, 192.0.2.1,2001:db8::/32".parse().unwrap();
        assert_eq!(trusted.to_string(), "10.0.0.0/8,192.0.2.1/32,2001:db8::/32");
        for (address, is_trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8:1::1", true),
            ("::1", false),
        ] {
            assert_eq!(trusted.contains(address.parse().unwrap()), is_trusted, "{address}");
        }
        let error = "10.0.0.0/33".parse::<TrustedProxies>().unwrap_err();
        assert!(error.contains("10.0.0.0/33"), "{error}");
        assert!("none".parse::<TrustedProxies>().unwrap().is_empty());
    }
}
