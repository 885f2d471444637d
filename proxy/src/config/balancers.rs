//! Load balancers in front of the listeners for applications, and what is believed of them.

use super::source::{ConfigError, Environment};
use clap::Args;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The options about load balancers.
#[derive(Debug, Args)]
pub(super) struct BalancerArgs {
    /// Whether connections of applications begin with a header of the PROXY protocol, version 1 or 2: off; optional, where those from
    /// --trusted-proxies may; or required, where all must, and must come from there [default: off]
    #[arg(long, value_name = "WHETHER", value_parser = ProxyProtocol::from_str, help_heading = "Load balancers")]
    pub(super) proxy_protocol: Option<ProxyProtocol>,

    /// Addresses and networks of load balancers, such as 10.0.0.0/8,::1, whose PROXY headers are read and whose X-Forwarded-For is
    /// believed where applications open WebSockets; or none [default: none]
    #[arg(long, value_name = "NETWORKS", value_parser = TrustedProxies::from_str, help_heading = "Load balancers")]
    pub(super) trusted_proxies: Option<TrustedProxies>,
}

impl BalancerArgs {
    /// Completes the options from the environment.
    pub(super) fn resolve(
        self,
        env: &Environment,
    ) -> Result<(ProxyProtocol, TrustedProxies), ConfigError> {
        let (mut protocol, mut trusted) = Default::default();
        env.set(&mut protocol, self.proxy_protocol, "proxy-protocol", ProxyProtocol::from_str)?;
        env.set(&mut trusted, self.trusted_proxies, "trusted-proxies", TrustedProxies::from_str)?;
        if protocol != ProxyProtocol::Off && trusted.is_empty() {
            return Err(ConfigError::Conflict(format!(
                "--proxy-protocol {protocol} needs --trusted-proxies"
            )));
        }
        Ok((protocol, trusted))
    }
}

/// Whether connections of applications begin with a header of the PROXY protocol.
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

impl FromStr for ProxyProtocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err("it is off, optional or required".to_owned()),
        }
    }
}

impl fmt::Display for ProxyProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::Required => "required",
        })
    }
}

/// The networks of load balancers that are believed. The default is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether an address is that of a trusted load balancer.
    pub fn contains(&self, address: IpAddr) -> bool {
        // A listener on [::] sees IPv4 as IPv6.
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether no load balancer is trusted.
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
