use crate::agenda::{Agenda, Due};
use crate::balancer::Balancer;
use crate::connection::{Arrival, Connection, LinkConfig, Way};
use crate::executor::Task;
use crate::log::Log;
use crate::net::Backlog;
use fastrand::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

/// The whole state of a simulated world, behind one lock.
pub(crate) struct State {
    /// Time since the world began.
    pub(crate) now: Duration,
    pub(crate) agenda: Agenda,
    /// For the order of tasks, times and pieces.
    pub(crate) rng: Rng,
    /// For the randomness that is handed out, so that it does not depend on how much was drawn for the network.
    pub(crate) keys: Rng,
    pub(crate) log: Log,
    pub(crate) hosts: Vec<Host>,
    pub(crate) tasks: BTreeMap<u64, Arc<Task>>,
    pub(crate) task_ids: u64,
    pub(crate) connections: BTreeMap<u64, Connection>,
    pub(crate) connection_ids: u64,
    pub(crate) listeners: BTreeMap<(usize, u16), Arc<Backlog>>,
    /// Names that stand for several hosts.
    pub(crate) balancers: BTreeMap<String, Balancer>,
    pub(crate) panics: usize,
    pub(crate) polls: u64,
    /// Whether futures spawned from now on are dropped.
    pub(crate) is_over: bool,
}

/// A machine, and the only process on it.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) link: LinkConfig,
    /// Nothing runs on it before this time.
    pub(crate) paused_until: Duration,
    /// How far its clock is ahead of the world's.
    pub(crate) ahead: Duration,
    /// Tasks that were woken while the host was paused.
    pub(crate) parked: VecDeque<Arc<Task>>,
    /// Whether it is cut off from all others.
    pub(crate) isolated: bool,
    pub(crate) next_port: u16,
    /// Whether it knows the time of day.
    pub(crate) has_calendar: bool,
    /// The host that it last connected to.
    pub(crate) reached: Option<usize>,
    /// The number of connections that it has opened.
    pub(crate) connected: u64,
    /// The number of connections requested to each of its ports.
    pub(crate) asked: BTreeMap<u16, u64>,
    /// The longest duration of a job.
    pub(crate) job_time_max: Duration,
}

impl State {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let keys = rng.fork();
        Self {
            now: Duration::ZERO,
            agenda: Agenda::default(),
            rng,
            keys,
            log: Log::default(),
            hosts: Vec::new(),
            tasks: BTreeMap::new(),
            task_ids: 0,
            connections: BTreeMap::new(),
            connection_ids: 0,
            listeners: BTreeMap::new(),
            balancers: BTreeMap::new(),
            panics: 0,
            polls: 0,
            is_over: false,
        }
    }

    pub(crate) fn add_host(&mut self, name: &str) -> usize {
        if let Some(id) = self.hosts.iter().position(|host| host.name == name) {
            return id;
        }
        self.hosts.push(Host {
            name: name.to_owned(),
            link: LinkConfig::default(),
            paused_until: Duration::ZERO,
            ahead: Duration::ZERO,
            parked: VecDeque::new(),
            isolated: false,
            next_port: FIRST_PORT,
            has_calendar: false,
            reached: None,
            connected: 0,
            asked: BTreeMap::new(),
            job_time_max: Duration::from_millis(1),
        });
        self.hosts.len() - 1
    }

    /// The host that a name or an address stands for on the host `from`, and the address as which `from` appears to it.
    pub(crate) fn resolve(
        &mut self,
        from: usize,
        host: &str,
        port: u16,
    ) -> Option<(usize, IpAddr)> {
        if let Some(balancer) = self.balancers.get_mut(host) {
            let open = |host: usize| {
                let connections = self.connections.values();
                connections.filter(|connection| connection.is_open_to(host, port)).count()
            };
            return Some((balancer.choose(&mut self.rng, open)?, address_of(from)));
        }
        let wanted: Option<IpAddr> = match host {
            "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
            _ => host.parse().ok(),
        };
        let found = match wanted {
            Some(ip) if ip.is_loopback() => return Some((from, ip)),
            Some(ip) => (0..self.hosts.len()).find(|id| address_of(*id) == ip),
            None => self.hosts.iter().position(|known| known.name == host),
        };
        Some((found?, address_of(from)))
    }

    /// An unused port of a host.
    pub(crate) fn free_port(&mut self, host: usize) -> u16 {
        loop {
            let port = self.hosts[host].next_port;
            self.hosts[host].next_port = port.checked_add(1).unwrap_or(FIRST_PORT);
            if !self.listeners.contains_key(&(host, port)) {
                return port;
            }
        }
    }

    /// Opens a connection from one host to another.
    pub(crate) fn connect(&mut self, from: usize, to: usize, port: u16) -> u64 {
        self.connection_ids += 1;
        let id = self.connection_ids;
        let link = self.hosts[from].link.clone();
        self.connections.insert(id, Connection::new(link, [from, to], port));
        id
    }

    /// Ensures that what was sent in a direction will arrive.
    pub(crate) fn schedule(&mut self, id: u64, from: usize) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(at) = connection.next_arrival(from) else { return };
        if !connection.ways[from].scheduled {
            connection.ways[from].scheduled = true;
            self.agenda.put(at, Due::Deliver { connection: id, from });
        }
    }

    /// Something arrives in a direction. Returns the wakers to wake.
    pub(crate) fn deliver(&mut self, id: u64, from: usize) -> Vec<Waker> {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&id) else { return Vec::new() };
        connection.ways[from].scheduled = false;
        let mut wakers = Vec::new();
        // A stall may have begun after this was added to the agenda.
        if connection.stalled_until <= now {
            let to = 1 - from;
            while let Some(arrival) = connection.arrive(now, from) {
                match arrival {
                    Arrival::Data(len) => {
                        self.log.event(now, format_args!("c{id}.{to} gets {len} bytes"));
                    }
                    Arrival::End => self.log.event(now, format_args!("c{id}.{to} gets the end")),
                    Arrival::Reset => {
                        self.log.event(now, format_args!("c{id}.{to} is reset"));
                        wakers.extend(connection.ways.iter_mut().flat_map(Way::take_wakers));
                    }
                }
                if matches!(arrival, Arrival::Data(_)) && connection.dropped[to] {
                    connection.reset_from(&mut self.rng, now, to);
                }
            }
            wakers.extend(connection.ways[from].reader.take());
        }
        self.schedule(id, from);
        self.schedule(id, 1 - from);
        wakers
    }

    /// Removes a connection once both ends are dropped.
    pub(crate) fn tidy(&mut self, id: u64) {
        if self.connections.get(&id).is_some_and(|connection| connection.dropped == [true; 2]) {
            self.connections.remove(&id);
        }
    }
}

/// A host's address. Its loopback address and the unspecified address are its own as well.
pub(crate) fn address_of(host: usize) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 1).to_bits() + host as u32).into()
}

/// The first of the ports that are chosen automatically.
const FIRST_PORT: u16 = 32_768;
