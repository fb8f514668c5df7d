//! Addresses that belong together.

use crate::{ParseError, text_type};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: `10.0.0.0/8`, or one address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let flawed = || {
            ParseError::new(
                "a network such as `10.0.0.0/8`, with no bits set beyond its prefix",
                text,
            )
        };
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| flawed())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| flawed())?;
        let network = Self {
            address,
            bits: bits.unwrap_or(width(address)),
        };
        let is_sound = network.bits <= width(address) && network.prefix(address) == as_number(address);
        if is_sound { Ok(network) } else { Err(flawed()) }
    }

    /// What never comes from the open internet: loopback, private and link-local addresses, and those that carriers and
    /// clouds use among themselves.
    pub fn private() -> Vec<Self> {
        let v4 = |a, b, bits| Self {
            address: Ipv4Addr::new(a, b, 0, 0).into(),
            bits,
        };
        let v6 = |first, bits| Self {
            address: Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0).into(),
            bits,
        };
        vec![
            v4(127, 0, 8),
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(169, 254, 16),
            v4(100, 64, 10),
            Self {
                address: Ipv6Addr::LOCALHOST.into(),
                bits: 128,
            },
            v6(0xfc00, 7),
            v6(0xfe80, 10),
        ]
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        // A socket that listens for both families shows the older one in the newer one's clothes.
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && self.prefix(address) == self.prefix(self.address)
    }

    fn prefix(&self, address: IpAddr) -> u128 {
        let beyond = u32::from(width(address) - self.bits);
        let number = as_number(address);
        number.checked_shr(beyond).map_or(0, |kept| kept << beyond)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn as_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

text_type!(Network);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
            ("fc00::/7", "fd12::1", "fe80::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "::1", "203.0.113.9"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
        ] {
            let found = Network::parse(network).unwrap();
            assert!(found.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!found.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "::1/129",
            "example.com",
            "10/8",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn private_networks_are_sound_and_read_back() {
        for network in Network::private() {
            assert_eq!(Network::parse(&network.to_string()), Ok(network));
        }
    }
}
