use fastrand::Rng;

/// How a load balancer chooses the host of each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// The host with the fewest open connections to that port; among equals, the next in turn.
    LeastConnections,
    /// A random host.
    Random,
    /// Each host in turn.
    RoundRobin,
}

/// A name for several hosts.
pub(crate) struct Balancer {
    balance: Balance,
    hosts: Vec<usize>,
    /// The number of connections so far.
    turns: usize,
}

impl Balancer {
    /// A balancer that replaces another one.
    pub(crate) fn new(balance: Balance, hosts: Vec<usize>, before: Option<&Self>) -> Self {
        Self { balance, hosts, turns: before.map_or(0, |before| before.turns) }
    }

    /// The host for the next connection. `open` returns the number of open connections of a host.
    pub(crate) fn choose(&mut self, rng: &mut Rng, open: impl Fn(usize) -> usize) -> Option<usize> {
        let len = self.hosts.len();
        if len == 0 {
            return None;
        }
        self.turns += 1;
        let turn = self.turns % len;
        match self.balance {
            Balance::RoundRobin => self.hosts.get(turn).copied(),
            Balance::Random => rng.choice(&self.hosts).copied(),
            Balance::LeastConnections => {
                let in_turn = self.hosts[turn..].iter().chain(&self.hosts[..turn]).copied();
                in_turn.min_by_key(|host| open(*host))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_turn_the_fewest_or_its_share() {
        let mut rng = Rng::with_seed(1);
        let mut in_turn = Balancer::new(Balance::RoundRobin, vec![3, 5, 7], None);
        let chosen: Vec<_> = (0..4).filter_map(|_| in_turn.choose(&mut rng, |_| 0)).collect();
        assert_eq!(chosen, [5, 7, 3, 5]);
        // It continues where it was.
        let mut fewer = Balancer::new(Balance::RoundRobin, vec![3, 5], Some(&in_turn));
        assert_eq!(fewer.choose(&mut rng, |_| 0), Some(5));
        let mut least = Balancer::new(Balance::LeastConnections, vec![3, 5, 7], None);
        assert_eq!(least.choose(&mut rng, |host| 10 - host), Some(7));
        let ties: Vec<_> = (0..3).filter_map(|_| least.choose(&mut rng, |_| 1)).collect();
        assert_eq!(ties, [7, 3, 5]);
        let mut any = Balancer::new(Balance::Random, vec![3, 5], None);
        let threes = (0..1000).filter(|_| any.choose(&mut rng, |_| 0) == Some(3)).count();
        assert!((400..600).contains(&threes), "{threes}");
        assert_eq!(Balancer::new(Balance::Random, vec![], None).choose(&mut rng, |_| 0), None);
    }
}
