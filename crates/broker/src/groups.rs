//! Consumer groups: the requests, on top of [`crate::group`]. Offsets that groups commit are the
//! engine's. Groups themselves are not kept: after a restart of the broker their members join again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tansu_broker::Result;
use tansu_broker::coordinator::group::{Coordinator, OffsetCommit};
use tansu_sans_io::join_group_request::JoinGroupRequestProtocol;
use tansu_sans_io::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use tansu_sans_io::leave_group_request::MemberIdentity;
use tansu_sans_io::leave_group_response::{LeaveGroupResponse, MemberResponse};
use tansu_sans_io::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic};
use tansu_sans_io::sync_group_request::SyncGroupRequestAssignment;
use tansu_sans_io::{Body, ErrorCode, HeartbeatResponse, SyncGroupResponse};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::group::{Group, Refusal, Wish};
use crate::records::lock;

/// How often those who wait look at the time.
const LOOK: Duration = Duration::from_millis(100);

/// All groups. `O` keeps the offsets.
#[derive(Clone, Debug)]
pub(crate) struct Groups<O> {
    offsets: O,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    groups: Mutex<BTreeMap<String, Group>>,
    changed: Notify,
    /// Numbers new members.
    members: Mutex<u64>,
}

/// A member that waits for an answer; when its connection breaks meanwhile, it does not any more.
struct Waiting<'a> {
    shared: &'a Shared,
    group: &'a str,
    member: &'a str,
}

impl<O> Groups<O> {
    pub(crate) fn new(offsets: O) -> Self {
        let shared = Shared {
            began: Instant::now(),
            groups: Mutex::default(),
            changed: Notify::new(),
            members: Mutex::default(),
        };
        Self { offsets, shared: Arc::new(shared) }
    }
}

impl Shared {
    /// Works on a group as it stands now, and lets the others look at it. One without members is as
    /// good as none, and is not kept.
    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Group, Duration) -> T) -> T {
        let now = self.began.elapsed();
        let mut groups = lock(&self.groups);
        let mut group = groups.remove(name).unwrap_or_default();
        group.tick(now);
        let result = work(&mut group, now);
        group.tick(now);
        if !group.is_empty() {
            groups.insert(name.to_owned(), group);
        }
        self.changed.notify_waiters();
        result
    }

    /// Looks until there is an answer.
    async fn wait<T>(&self, group: &str, mut look: impl FnMut(&mut Group) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            {
                let now = self.began.elapsed();
                let mut groups = lock(&self.groups);
                let mut none = Group::default();
                let group = groups.get_mut(group).unwrap_or(&mut none);
                group.tick(now);
                if let Some(answer) = look(group) {
                    return answer;
                }
            }
            // Time passes too.
            let _ = timeout(LOOK, changed).await;
        }
    }

    fn new_name(&self, client: Option<&str>) -> String {
        let mut members = lock(&self.members);
        *members += 1;
        // Apart from those of an earlier life of the broker, whose members may still ask.
        let life = std::process::id();
        format!("{}-{life}-{members}", client.unwrap_or("member"))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.with(self.group, |group, now| group.set_waiting(now, self.member, false));
    }
}

fn code(refusal: Refusal) -> i16 {
    i16::from(match refusal {
        Refusal::UnknownMember => ErrorCode::UnknownMemberId,
        Refusal::OldGeneration => ErrorCode::IllegalGeneration,
        Refusal::Rebalancing => ErrorCode::RebalanceInProgress,
        Refusal::NoCommonProtocol => ErrorCode::InconsistentGroupProtocol,
    })
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

#[async_trait]
impl<O: Coordinator> Coordinator for Groups<O> {
    async fn join(
        &mut self,
        client_id: Option<&str>,
        group_id: &str,
        session_timeout_ms: i32,
        rebalance_timeout_ms: Option<i32>,
        member_id: &str,
        _: Option<&str>,
        protocol_type: &str,
        protocols: Option<&[JoinGroupRequestProtocol]>,
        _: Option<&str>,
    ) -> Result<Body> {
        let shared = &*self.shared;
        let name = match member_id {
            "" => shared.new_name(client_id),
            known => known.to_owned(),
        };
        let protocols = protocols.unwrap_or_default().iter();
        let wish = Wish {
            session: millis(session_timeout_ms),
            rebalance: millis(rebalance_timeout_ms.unwrap_or(session_timeout_ms)),
            protocols: protocols.map(|it| (it.name.clone(), it.metadata.clone())).collect(),
        };
        let joined = shared.with(group_id, |group, now| {
            let generation = group.generation();
            group.join(now, &name, wish).map(|()| generation)
        });
        let answer = match joined {
            Err(refusal) => Err(refusal),
            Ok(generation) => {
                let _waiting = Waiting { shared, group: group_id, member: &name };
                shared.wait(group_id, |group| group.joined(&name, generation)).await
            }
        };
        let response = JoinGroupResponse::default()
            .throttle_time_ms(Some(0))
            .protocol_type(Some(protocol_type.to_owned()))
            .skip_assignment(Some(false))
            .member_id(name);
        Ok(match answer {
            Ok(joined) => {
                let member = |(name, metadata)| {
                    JoinGroupResponseMember::default()
                        .member_id(name)
                        .group_instance_id(None)
                        .metadata(metadata)
                };
                response
                    .error_code(ErrorCode::None.into())
                    .generation_id(joined.generation)
                    .protocol_name(Some(joined.protocol))
                    .leader(joined.leader)
                    .members(Some(joined.members.into_iter().map(member).collect()))
            }
            Err(refusal) => response
                .error_code(code(refusal))
                .generation_id(-1)
                .protocol_name(Some(String::new()))
                .leader(String::new())
                .members(Some(Vec::new())),
        }
        .into())
    }

    async fn sync(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        _: Option<&str>,
        protocol_type: Option<&str>,
        protocol_name: Option<&str>,
        assignments: Option<&[SyncGroupRequestAssignment]>,
    ) -> Result<Body> {
        let shared = &*self.shared;
        let dealt: BTreeMap<String, Bytes> = assignments
            .unwrap_or_default()
            .iter()
            .map(|it| (it.member_id.clone(), it.assignment.clone()))
            .collect();
        shared.with(group_id, |group, now| {
            if group.check(member_id, generation_id).is_ok() {
                group.set_waiting(now, member_id, true);
                group.deal(member_id, dealt);
            }
        });
        let _waiting = Waiting { shared, group: group_id, member: member_id };
        let answer = shared.wait(group_id, |group| group.dealt(member_id, generation_id)).await;
        let (code, assignment) = match answer {
            Ok(assignment) => (ErrorCode::None.into(), assignment),
            Err(refusal) => (code(refusal), Bytes::new()),
        };
        Ok(SyncGroupResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(code)
            .protocol_type(protocol_type.map(str::to_owned))
            .protocol_name(protocol_name.map(str::to_owned))
            .assignment(assignment)
            .into())
    }

    async fn heartbeat(
        &mut self,
        group_id: &str,
        generation_id: i32,
        member_id: &str,
        _: Option<&str>,
    ) -> Result<Body> {
        let alive =
            self.shared.with(group_id, |group, now| group.heartbeat(now, member_id, generation_id));
        let code = alive.err().map_or(ErrorCode::None.into(), code);
        Ok(HeartbeatResponse::default().throttle_time_ms(Some(0)).error_code(code).into())
    }

    async fn leave(
        &mut self,
        group_id: &str,
        member_id: Option<&str>,
        members: Option<&[MemberIdentity]>,
    ) -> Result<Body> {
        let named = members.unwrap_or_default().iter().map(|it| it.member_id.as_str());
        let leave = |name: &str| {
            let left = self.shared.with(group_id, |group, now| group.leave(now, name));
            let code = if left { ErrorCode::None } else { ErrorCode::UnknownMemberId };
            MemberResponse::default()
                .member_id(name.to_owned())
                .group_instance_id(None)
                .error_code(code.into())
        };
        let left: Vec<MemberResponse> = member_id.into_iter().chain(named).map(leave).collect();
        Ok(LeaveGroupResponse::default()
            .throttle_time_ms(Some(0))
            .error_code(ErrorCode::None.into())
            .members(Some(left))
            .into())
    }

    async fn offset_commit(&mut self, detail: OffsetCommit<'_>) -> Result<Body> {
        self.offsets.offset_commit(detail).await
    }

    async fn offset_fetch(
        &mut self,
        group_id: Option<&str>,
        topics: Option<&[OffsetFetchRequestTopic]>,
        groups: Option<&[OffsetFetchRequestGroup]>,
        require_stable: Option<bool>,
    ) -> Result<Body> {
        self.offsets.offset_fetch(group_id, topics, groups, require_stable).await
    }
}
