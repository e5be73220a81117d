//! A consumer group as a state machine: members join in rounds, one of them deals the partitions
//! out, all are told when to join again. Kafka's classic protocol: a round is over when every member
//! has joined again or is given up, and only then is anybody dealt anything.
//!
//! Time comes in as a duration since the broker's start.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

/// How long the first member of an empty group is let wait for others that start with it (Kafka's
/// `group.initial.rebalance.delay.ms`, which is 3 s there).
const FIRST_ROUND: Duration = Duration::from_millis(300);

/// How a member wants partitions to be dealt: names of strategies with what it has to say for each.
pub(crate) type Protocols = Vec<(String, Bytes)>;

/// What a member says when it joins.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// How long it may be silent.
    pub(crate) session: Duration,
    /// How long it may take to join again.
    pub(crate) rebalance: Duration,
    pub(crate) protocols: Protocols,
}

#[derive(Debug)]
struct Member {
    wish: Wish,
    last_seen: Duration,
    /// It waits for an answer, so it is alive.
    waiting: bool,
    /// It has joined in this round.
    joined: bool,
    /// It waits for the answer to its join. If another round begins before it has it, the join is for
    /// that one.
    joining: bool,
    assignment: Bytes,
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Members join; not before the first time, not after the second.
    Joining {
        from: Duration,
        until: Duration,
    },
    /// The leader deals.
    Dealing {
        until: Duration,
    },
    Stable,
}

/// What a member that joined is told at the end of the round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    /// For the leader: everybody and what he says for the protocol.
    pub(crate) members: Vec<(String, Bytes)>,
}

/// Why a member is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody of that name: join as a new one.
    UnknownMember,
    /// Of an earlier round.
    OldGeneration,
    /// Join again.
    Rebalancing,
    /// No strategy that all members know.
    NoCommonProtocol,
}

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    generation: i32,
    phase: Phase,
    protocol: String,
    leader: String,
    members: BTreeMap<String, Member>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            generation: 0,
            phase: Phase::Stable,
            protocol: String::new(),
            leader: String::new(),
            members: BTreeMap::new(),
        }
    }
}

impl Group {
    /// A member joins, for the first time or again. It then waits for the end of the round.
    ///
    /// # Errors
    /// When it knows no strategy that the others know.
    pub(crate) fn join(&mut self, now: Duration, name: &str, wish: Wish) -> Result<(), Refusal> {
        let knows =
            |wish: &Wish, protocol: &str| wish.protocols.iter().any(|(it, _)| it == protocol);
        let others = || self.members.iter().filter(|(other, _)| *other != name);
        let common = wish
            .protocols
            .iter()
            .any(|(it, _)| others().all(|(_, member)| knows(&member.wish, it)));
        if !common {
            return Err(Refusal::NoCommonProtocol);
        }
        let is_first = self.members.is_empty();
        let member = Member {
            wish,
            last_seen: now,
            waiting: true,
            joined: true,
            joining: true,
            assignment: Bytes::new(),
        };
        if !matches!(self.phase, Phase::Joining { .. }) {
            self.begin_round(now, if is_first { FIRST_ROUND } else { Duration::ZERO });
        }
        self.members.insert(name.to_owned(), member);
        Ok(())
    }

    fn begin_round(&mut self, now: Duration, delay: Duration) {
        let patience = self.members.values().map(|member| member.wish.rebalance).max();
        let patience = patience.unwrap_or_default().max(delay);
        self.phase = Phase::Joining { from: now + delay, until: now + patience };
        for member in self.members.values_mut() {
            member.joined = member.joining;
        }
    }

    /// The member's answer: `None` while the round goes on. `generation` is the one that it joined
    /// after.
    pub(crate) fn joined(
        &mut self,
        name: &str,
        generation: i32,
    ) -> Option<Result<Joined, Refusal>> {
        let Some(member) = self.members.get_mut(name) else {
            return Some(Err(Refusal::UnknownMember));
        };
        if matches!(self.phase, Phase::Joining { .. }) || self.generation <= generation {
            return None;
        }
        member.joining = false;
        let says = |member: &Member| {
            let found = member.wish.protocols.iter().find(|(it, _)| *it == self.protocol);
            found.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
        };
        let members = match self.leader == name {
            true => self.members.iter().map(|(name, it)| (name.clone(), says(it))).collect(),
            false => Vec::new(),
        };
        Some(Ok(Joined {
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
        }))
    }

    /// The leader has dealt.
    pub(crate) fn deal(&mut self, name: &str, mut assignments: BTreeMap<String, Bytes>) {
        if self.leader == name && matches!(self.phase, Phase::Dealing { .. }) {
            for (name, member) in &mut self.members {
                member.assignment = assignments.remove(name).unwrap_or_default();
            }
            self.phase = Phase::Stable;
        }
    }

    /// What the member was dealt: `None` while the leader deals.
    pub(crate) fn dealt(&self, name: &str, generation: i32) -> Option<Result<Bytes, Refusal>> {
        if let Err(refusal) = self.check(name, generation) {
            return Some(Err(refusal));
        }
        match self.phase {
            Phase::Stable => Some(Ok(self.members[name].assignment.clone())),
            Phase::Dealing { .. } => None,
            Phase::Joining { .. } => Some(Err(Refusal::Rebalancing)),
        }
    }

    /// The member is alive. An error tells it what to do.
    pub(crate) fn heartbeat(
        &mut self,
        now: Duration,
        name: &str,
        generation: i32,
    ) -> Result<(), Refusal> {
        self.see(now, name);
        self.check(name, generation)?;
        match self.phase {
            Phase::Joining { .. } => Err(Refusal::Rebalancing),
            _ => Ok(()),
        }
    }

    /// Whether the member is of this generation.
    pub(crate) fn check(&self, name: &str, generation: i32) -> Result<(), Refusal> {
        match self.members.contains_key(name) {
            false => Err(Refusal::UnknownMember),
            true if generation != self.generation => Err(Refusal::OldGeneration),
            true => Ok(()),
        }
    }

    fn see(&mut self, now: Duration, name: &str) {
        if let Some(member) = self.members.get_mut(name) {
            member.last_seen = now;
        }
    }

    /// The member waits for an answer, or does not any more.
    pub(crate) fn set_waiting(&mut self, now: Duration, name: &str, waiting: bool) {
        if let Some(member) = self.members.get_mut(name) {
            member.waiting = waiting;
            member.joining &= waiting;
            member.last_seen = now;
        }
    }

    /// The member goes. Says whether it was there.
    pub(crate) fn leave(&mut self, now: Duration, name: &str) -> bool {
        let was_there = self.members.remove(name).is_some();
        if was_there && !matches!(self.phase, Phase::Joining { .. }) {
            self.begin_round(now, Duration::ZERO);
        }
        was_there
    }

    /// Lets time pass: gives silent members up, and ends a round that is over.
    pub(crate) fn tick(&mut self, now: Duration) {
        let is_silent =
            |member: &Member| !member.waiting && now > member.last_seen + member.wish.session;
        let silent: Vec<String> = self
            .members
            .iter()
            .filter(|(_, member)| is_silent(member))
            .map(|(name, _)| name.clone())
            .collect();
        for name in silent {
            tracing::info!(member = name, "a member of a group is silent: given up");
            self.leave(now, &name);
        }
        match self.phase {
            Phase::Dealing { until } if now > until => {
                let leader = self.leader.clone();
                self.leave(now, &leader);
            }
            Phase::Joining { from, until } => {
                let complete = self.members.values().all(|member| member.joined);
                if now >= from && (complete || now > until) {
                    self.end_round(now);
                }
            }
            _ => {}
        }
    }

    fn end_round(&mut self, now: Duration) {
        self.members.retain(|_, member| member.joined);
        self.generation += 1;
        let Some((first, member)) = self.members.first_key_value() else {
            self.phase = Phase::Stable;
            return;
        };
        if !self.members.contains_key(&self.leader) {
            self.leader = first.clone();
        }
        let all_know = |protocol: &str| {
            let knows = |it: &Member| it.wish.protocols.iter().any(|(name, _)| name == protocol);
            self.members.values().all(knows)
        };
        let common = member.wish.protocols.iter().find(|(name, _)| all_know(name));
        // Each was let in only with a strategy that all others know, of which some may have gone.
        self.protocol = common.map(|(name, _)| name.clone()).unwrap_or_default();
        let patience = self.members.values().map(|member| member.wish.rebalance).max();
        self.phase = Phase::Dealing { until: now + patience.unwrap_or_default() };
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            member.last_seen = now;
        }
    }

    /// Whether nobody is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The round that the group is in or after.
    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn wish() -> Wish {
        let protocols = vec![("range".to_owned(), Bytes::from_static(b"topics"))];
        Wish { session: at(6_000), rebalance: at(60_000), protocols }
    }

    /// Lets the named members join and the leader deal each his own name; gives the generation.
    fn settle(group: &mut Group, now: u64, names: &[&str]) -> i32 {
        let before = group.generation();
        for name in names {
            group.join(at(now), name, wish()).unwrap();
        }
        group.tick(at(now + 300));
        let joined = names.iter().map(|name| group.joined(name, before).unwrap().unwrap());
        let joined: Vec<Joined> = joined.collect();
        let leader = joined[0].leader.clone();
        let told = joined.iter().find(|joined| !joined.members.is_empty()).unwrap();
        assert_eq!(told.members.len(), names.len());
        for name in names {
            group.set_waiting(at(now + 300), name, false);
        }
        assert_eq!(group.dealt(names[0], told.generation), None);
        let parts = names.iter().map(|name| ((*name).to_owned(), Bytes::from(name.to_string())));
        group.deal(&leader, parts.collect());
        for name in names {
            assert_eq!(group.dealt(name, told.generation), Some(Ok(Bytes::from(name.to_string()))));
        }
        told.generation
    }

    #[test]
    fn a_round_waits_for_all_members() {
        let mut group = Group::default();
        let first = settle(&mut group, 0, &["a", "b"]);
        // A third one comes: the others are told, and nobody is dealt anything before they joined.
        group.join(at(1_000), "c", wish()).unwrap();
        group.tick(at(1_100));
        assert_eq!(group.joined("c", first), None);
        assert_eq!(group.heartbeat(at(1_200), "a", first), Err(Refusal::Rebalancing));
        assert_eq!(group.heartbeat(at(1_200), "b", first), Err(Refusal::Rebalancing));
        assert_eq!(group.dealt("a", first), Some(Err(Refusal::Rebalancing)));
        group.join(at(1_300), "a", wish()).unwrap();
        group.tick(at(1_400));
        assert_eq!(group.joined("c", first), None);
        let second = settle(&mut group, 1_500, &["a", "b", "c"]);
        assert_eq!(second, first + 1);
        assert_eq!(group.heartbeat(at(2_000), "b", second), Ok(()));
        assert_eq!(group.heartbeat(at(2_000), "b", first), Err(Refusal::OldGeneration));
    }

    /// The round ended, and before a member heard of it the next one began: it has joined that.
    #[test]
    fn a_join_that_was_not_answered_yet_counts_for_the_next_round() {
        let mut group = Group::default();
        for name in ["a", "b"] {
            group.join(at(0), name, wish()).unwrap();
        }
        group.tick(at(300));
        assert_eq!(group.joined("a", 0).unwrap().unwrap().generation, 1);
        group.set_waiting(at(300), "a", false);
        // Nobody has told b when c comes.
        group.join(at(301), "c", wish()).unwrap();
        assert_eq!(group.joined("b", 0), None);
        group.join(at(302), "a", wish()).unwrap();
        group.tick(at(303));
        for name in ["a", "b", "c"] {
            assert_eq!(group.joined(name, 0).unwrap().unwrap().generation, 2, "{name}");
        }
    }

    #[test]
    fn a_silent_member_is_given_up_and_the_others_join_again() {
        let mut group = Group::default();
        let first = settle(&mut group, 0, &["a", "b"]);
        for ms in [2_000, 4_000, 6_000] {
            assert_eq!(group.heartbeat(at(ms), "b", first), Ok(()));
        }
        group.tick(at(6_301));
        assert_eq!(group.heartbeat(at(6_400), "b", first), Err(Refusal::Rebalancing));
        assert_eq!(group.heartbeat(at(6_400), "a", first), Err(Refusal::UnknownMember));
        let second = settle(&mut group, 6_500, &["b"]);
        assert_eq!(second, first + 1);
        assert!(!group.is_empty());
        assert!(group.leave(at(7_000), "b") && group.is_empty());
        assert!(!group.leave(at(7_000), "b"));
    }

    #[test]
    fn one_that_does_not_join_again_in_time_is_left_behind() {
        let mut group = Group::default();
        let first = settle(&mut group, 0, &["a", "b"]);
        group.join(at(1_000), "a", wish()).unwrap();
        for ms in (1_000..61_000).step_by(1_000) {
            assert_eq!(group.heartbeat(at(ms), "b", first), Err(Refusal::Rebalancing));
            group.tick(at(ms));
            assert_eq!(group.joined("a", first), None);
        }
        group.tick(at(61_001));
        assert_eq!(group.joined("a", first).unwrap().unwrap().members.len(), 1);
        assert_eq!(group.heartbeat(at(61_100), "b", first), Err(Refusal::UnknownMember));
    }

    #[test]
    fn a_leader_that_never_deals_is_given_up() {
        let mut group = Group::default();
        for name in ["a", "b"] {
            group.join(at(0), name, wish()).unwrap();
        }
        group.tick(at(300));
        let generation = group.joined("b", 0).unwrap().unwrap().generation;
        for ms in (1_000..61_000).step_by(1_000) {
            for name in ["a", "b"] {
                group.set_waiting(at(ms), name, false);
            }
            group.tick(at(ms));
            assert_eq!(group.dealt("b", generation), None);
        }
        group.tick(at(60_301));
        assert_eq!(group.dealt("b", generation), Some(Err(Refusal::Rebalancing)));
        assert_eq!(group.dealt("a", generation), Some(Err(Refusal::UnknownMember)));
    }

    #[test]
    fn strategies_must_meet() {
        let mut group = Group::default();
        settle(&mut group, 0, &["a"]);
        let other = Wish { protocols: vec![("sticky".to_owned(), Bytes::new())], ..wish() };
        assert_eq!(group.join(at(1_000), "b", other), Err(Refusal::NoCommonProtocol));
    }
}
