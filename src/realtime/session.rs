//! One socket.
//!
//! Owns a connection's life: who it belongs to, where it is in its user's log, which answers it owes. Invariants:
//!
//! - Events go out in the order of their numbers, without gaps: what is missing is read from the log first.
//! - Each frame is answered once. Frames are worked off one at a time, in the order in which they came.
//! - An event that this socket caused is not pushed to it: its `ok` carries the event's `seq` instead, in its place.
//! - What it did to others' tables, in the hub and in the datastore, is undone when it ends, however it ends.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Handler, Message, Running, SpawnHandle, StreamHandler,
};
use actix_http::ws::Item;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{self, CloseReason, ProtocolError, WebsocketContext, WsResponseBuilder};
use bytestring::ByteString;
use serde::Serialize;
use serde_json::json;

use super::budget::Budget;
use super::grant::{Granted, grant};
use super::hub::{Enter, Leave, Unwatch};
use super::inflow::{Inflow, Valve};
use super::messages::{LogOpened, OpenLog};
use super::model::{Missed, Origin, Resume, encode};
use super::opening::{NotOpened, Opened, leave, open};
use super::outbound::{Outbound, Push, TooSlow, Wake};
use super::owed::Owed;
use super::protocol::{self, Closing, Frame, Refusal, Request};
use super::ways::{SocketRules, Ways};
use crate::auth::error::AuthError;
use crate::auth::messages::{Caller, CheckSession};
use crate::conversation::messages::Acknowledge;
use crate::conversation::model::{MessageId, Tag};
use crate::http::connection::{AnswerClock, Held};
use crate::presence::messages::SocketsBeat;
use crate::users::model::UserId;

/// Frames that may wait to be worked off before no more are read.
const MAX_INBOX: usize = 64;
/// How long frames that came before the end of a socket may take to be worked off.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pushes that may wait for a gap to be closed; the log has the events beyond.
const MAX_STASH: usize = 256;
/// Pause between tries to reach the datastore.
const RETRY: Duration = Duration::from_millis(500);
/// Heartbeats without a sign of the client that close its socket.
const MISSED_BEATS: u32 = 2;

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Somebody has to say who he is, or how to go on.
    Greeting,
    /// The log is being opened.
    Opening,
    /// Events flow.
    Live,
    /// Events wait until the log has told what is missing.
    CatchingUp,
    /// The close frame is sent.
    Closed,
}

/// How a socket ends once all that it was sent is worked off.
#[derive(Debug)]
enum Ending {
    /// The client has said so.
    Asked(Option<CloseReason>),
    /// The client sends no more.
    Silent,
    /// We have to.
    Ours(Closing),
}

/// What came with the upgrade.
#[derive(Debug)]
pub(super) struct Credentials {
    /// From its header.
    pub(super) token: Option<String>,
    /// Whether it came from an allowed origin.
    pub(super) origin_allowed: bool,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Session {
    id: String,
    ways: Arc<Ways>,
    rules: SocketRules,
    credentials: Credentials,
    stage: Stage,
    ending: Option<Ending>,
    /// Ends the greeting; an idle socket shall not keep it.
    greeting: Option<SpawnHandle>,
    caller: Option<Caller>,
    outbound: Option<Arc<Outbound>>,
    epoch: String,
    position: u64,
    /// Pushes that wait for a gap to be closed.
    stash: VecDeque<Push>,
    /// The log has more than was sent and than is stashed.
    behind: bool,
    inbox: VecDeque<Frame>,
    working: bool,
    /// A `presence.watch` is being worked off, for these people anew. What is pushed meanwhile may be newer than its
    /// answer, and waits for it.
    watching: Option<Vec<UserId>>,
    owed: Owed,
    /// A timer looks for overdue answers: one for all of them, because each wake of an actor polls every timer it has.
    reminded: bool,
    /// New messages since the client was last heard, the newest of each conversation.
    unacknowledged: HashMap<Tag, MessageId>,
    watched: HashSet<UserId>,
    /// The datastore is being told that the socket lives.
    beating: bool,
    budget: Budget,
    /// A text that comes in parts.
    fragments: Option<Vec<u8>>,
    inflow: Valve,
    connection: Held,
}

type Context = WebsocketContext<Session>;

impl Session {
    /// Answers the upgrade and runs a socket on its connection.
    pub(super) fn start(
        ways: Arc<Ways>,
        rules: SocketRules,
        credentials: Credentials,
        request: &HttpRequest,
        payload: web::Payload,
    ) -> Result<HttpResponse, actix_web::Error> {
        let (payload, inflow) = Inflow::new(payload, rules.max_frame_bytes);
        let session = Self {
            id: nanoid::nanoid!(),
            ways,
            rules,
            credentials,
            stage: Stage::Greeting,
            ending: None,
            greeting: None,
            caller: None,
            outbound: None,
            epoch: String::new(),
            position: 0,
            stash: VecDeque::new(),
            behind: false,
            inbox: VecDeque::new(),
            working: false,
            watching: None,
            owed: Owed::default(),
            reminded: false,
            unacknowledged: HashMap::new(),
            watched: HashSet::new(),
            beating: false,
            budget: Budget::new(rules.frames),
            fragments: None,
            inflow,
            connection: AnswerClock::hold(request),
        };
        WsResponseBuilder::new(session, request, payload).frame_size(rules.max_frame_bytes).start()
    }

    fn close(&mut self, closing: Closing, context: &mut Context) {
        if self.stage == Stage::Closed {
            return;
        }
        let (code, reason) = closing.code();
        metrics::counter!("ayrene_sockets_closed_total", "code" => code.to_string()).increment(1);
        tracing::debug!(socket = self.id, code, reason, "socket closes");
        self.end(Some(CloseReason { code: code.into(), description: Some(reason.to_owned()) }), context);
    }

    fn end(&mut self, reason: Option<CloseReason>, context: &mut Context) {
        self.stage = Stage::Closed;
        context.close(reason);
        context.stop();
        self.connection.end();
    }

    /// Ends the socket when the frames that came before are answered, in a moment at the latest.
    fn end_after_work(&mut self, ending: Ending, context: &mut Context) {
        if self.stage == Stage::Closed || self.ending.is_some() {
            return;
        }
        self.ending = Some(ending);
        context.run_later(FAREWELL, Self::end_now);
        self.end_if_done(context);
    }

    fn end_if_done(&mut self, context: &mut Context) {
        let opening = self.stage == Stage::Opening;
        if self.ending.is_some()
            && !opening
            && !self.working
            && self.inbox.is_empty()
            && self.owed.due().is_none()
        {
            self.end_now(context);
        }
    }

    fn end_now(&mut self, context: &mut Context) {
        match self.ending.take() {
            Some(Ending::Asked(reason)) => self.end(reason, context),
            Some(Ending::Silent) => context.stop(),
            Some(Ending::Ours(closing)) => self.close(closing, context),
            None => {}
        }
    }

    /// Any frame of the client: it has what was sent before.
    fn hear(&mut self, context: &mut Context) {
        let Some(caller) = self.caller.as_ref().filter(|_| !self.unacknowledged.is_empty()) else { return };
        let user = caller.user_id.clone();
        let messages: Vec<MessageId> = self.unacknowledged.drain().map(|(_, message)| message).collect();
        let (ways, address) = (self.ways.clone(), context.address());
        // Not in our context: it was acknowledged, also if that was the client's last word.
        actix::spawn(async move {
            let acknowledge = Acknowledge { user, messages: messages.clone() };
            if ways.acknowledge.ask(acknowledge).await.is_err() {
                address.do_send(NotAcknowledged(messages));
            }
        });
    }

    fn text(&mut self, text: &str, context: &mut Context) {
        let Ok(frame) = Frame::parse(text, self.rules.bounds) else {
            return self.close(Closing::BadFrame, context);
        };
        if self.stage != Stage::Greeting {
            return self.enqueue(frame, context);
        }
        match (self.credentials.token.take(), frame) {
            (Some(token), Frame { id, request: Ok(Request::Resume(resume)), .. }) => {
                self.open(token, Some(resume), Some(id), context);
            }
            (Some(token), frame) => {
                self.open(token, None, None, context);
                self.enqueue(frame, context);
            }
            (None, Frame { id, request: Ok(Request::Auth { token, resume }), .. }) => {
                self.open(token, resume, Some(id), context);
            }
            (None, Frame { id, is_auth: true, request: Err(refusal) }) => {
                context.text(protocol::refused(id, &refusal));
            }
            (None, Frame { id, .. }) => {
                let refusal = Refusal::new("unauthenticated", "The first frame must be auth, with a token");
                context.text(protocol::refused(id, &refusal));
            }
        }
    }

    /// Finds out who it is, listens, looks where the log stands, and says hello. `frame` is owed an answer.
    fn open(&mut self, token: String, resume: Option<Resume>, frame: Option<u64>, context: &mut Context) {
        self.stage = Stage::Opening;
        if let Some(greeting) = self.greeting.take() {
            context.cancel_future(greeting);
        }
        let (ways, socket, address) = (self.ways.clone(), self.id.clone(), context.address());
        // Not in our context, which may end meanwhile: what was opened must be closed then.
        actix::spawn(async move {
            let outcome = open(&ways, &socket, token, resume).await;
            let user = match &outcome {
                Ok(Opened { caller, .. }) | Err(NotOpened { caller: Some(caller), .. }) => {
                    Some(caller.user_id.clone())
                }
                Err(NotOpened { caller: None, .. }) => None,
            };
            if address.send(OpeningEnded { outcome, frame }).await.is_err()
                && let Some(user) = user
            {
                leave(ways, user, socket, Vec::new()).await;
            }
        });
    }

    fn greet(&mut self, Opened { caller, log }: Opened, frame: Option<u64>, context: &mut Context) {
        let hello = Hello {
            user_id: caller.user_id.as_str(),
            session_id: caller.session_id.as_str(),
            epoch: &log.epoch,
            seq: log.seq,
            resumed: log.missed.is_some(),
            heartbeat_ms: self.rules.heartbeat.as_millis() as u64,
        };
        context.text(encode("hello", &hello));
        if let Some(id) = frame {
            context.text(protocol::ok(id, &json!({})));
        }
        self.caller = Some(caller);
        self.stage = Stage::Live;
        self.epoch = log.epoch;
        self.position = log.seq - log.missed.as_ref().map_or(0, |missed| missed.len() as u64);
        self.emit_missed(log.missed.unwrap_or_default(), context);
        self.drain(context);
        self.work(context);
    }

    fn enqueue(&mut self, frame: Frame, context: &mut Context) {
        self.inbox.push_back(frame);
        self.work(context);
    }

    /// Works off what waits, until something has to be waited for.
    fn work(&mut self, context: &mut Context) {
        while !self.working
            && matches!(self.stage, Stage::Live | Stage::CatchingUp)
            && let Some(Frame { id, request, .. }) = self.inbox.pop_front()
        {
            match request {
                Ok(request) => self.begin(id, request, context),
                Err(refusal) => context.text(protocol::refused(id, &refusal)),
            }
        }
        self.inflow.set_open(self.inbox.len() < MAX_INBOX);
        self.end_if_done(context);
    }

    fn begin(&mut self, id: u64, request: Request, context: &mut Context) {
        let Some(caller) = &self.caller else { return };
        let user = caller.user_id.clone();
        let number = matches!(request, Request::Send { .. } | Request::Read(_)).then(|| self.owed.begin(id));
        match &request {
            Request::Watch(people) => match self.watch_anew(people) {
                Ok(anew) => self.watching = Some(anew),
                Err(refusal) => return context.text(protocol::refused(id, &refusal)),
            },
            Request::Unwatch(people) => self.unwatch(people.clone()),
            _ => {}
        }
        self.working = true;
        let origin = Origin { socket: self.id.clone(), frame: number.unwrap_or_default() };
        let granting = grant(self.ways.clone(), user, id, request, origin);
        context.spawn(wrap_future(granting).map(move |outcome, socket: &mut Self, context| {
            socket.working = false;
            if socket.stage != Stage::Closed {
                socket.worked(id, number, outcome, context);
                socket.work(context);
            }
        }));
    }

    fn worked(
        &mut self,
        id: u64,
        number: Option<u64>,
        outcome: Result<Granted, Refusal>,
        context: &mut Context,
    ) {
        let watching = self.watching.take();
        let (answer, event) = match outcome {
            Ok(Granted { answer, event }) => (answer, event),
            Err(refusal) => {
                self.unwatch(watching.clone().unwrap_or_default());
                (protocol::refused(id, &refusal), false)
            }
        };
        match number {
            None => context.text(answer),
            Some(number) => match self.owed.worked(number, answer, event) {
                Some(answer) => context.text(answer),
                None => self.remind(context),
            },
        }
        if watching.is_some() {
            self.flow(context);
            self.drain(context);
        }
    }

    /// Sends answers whose events take too long, when they do.
    fn remind(&mut self, context: &mut Context) {
        if self.reminded {
            return;
        }
        if let Some(due) = self.owed.due() {
            context.run_later(due.saturating_duration_since(Instant::now()), |socket, context| {
                socket.reminded = false;
                for answer in socket.owed.overdue(Instant::now()) {
                    context.text(answer);
                }
                socket.end_if_done(context);
                socket.remind(context);
            });
            self.reminded = true;
        }
    }

    /// Those among `people` that were not watched before.
    fn watch_anew(&mut self, people: &[UserId]) -> Result<Vec<UserId>, Refusal> {
        let max = self.rules.bounds.max_watched;
        let anew: Vec<UserId> =
            people.iter().filter(|person| !self.watched.contains(*person)).cloned().collect();
        if self.watched.len() + anew.len() > max {
            let problem = format!("would make more than {max} that are watched");
            return Err(Refusal::invalid("userIds", problem));
        }
        self.watched.extend(anew.iter().cloned());
        Ok(anew)
    }

    fn unwatch(&mut self, people: Vec<UserId>) {
        let known: Vec<UserId> = people.into_iter().filter(|person| self.watched.remove(person)).collect();
        if !known.is_empty() {
            self.ways.hub.do_send(Unwatch { people: known, socket: self.id.clone() });
        }
    }

    fn flows(&self) -> bool {
        self.stage == Stage::Live && self.watching.is_none()
    }

    /// Sends what waits.
    fn drain(&mut self, context: &mut Context) {
        let greeting = self.stage == Stage::Greeting;
        let catching_up = self.stage == Stage::CatchingUp;
        if !greeting && !catching_up && !self.flows() {
            return;
        }
        match self.outbound.as_ref().map(|outbound| outbound.take()) {
            Some(Ok(pushes)) => {
                let going = pushes.iter().any(|push| matches!(push, Push::GoAway));
                // Nothing else concerns who has not said who he is.
                if !greeting {
                    self.stash.extend(pushes);
                    if catching_up && self.stash.len() > MAX_STASH {
                        // It is not the client that is too slow.
                        self.stash.retain(|push| !matches!(push, Push::Event { .. } | Push::Ephemeral(_)));
                        self.behind = true;
                    }
                    self.flow(context);
                }
                if going {
                    self.end_after_work(Ending::Ours(Closing::GoingAway), context);
                }
            }
            Some(Err(TooSlow)) => self.close(Closing::TooSlow, context),
            None => {}
        }
    }

    /// Sends what was taken, up to a gap.
    fn flow(&mut self, context: &mut Context) {
        while self.flows()
            && let Some(push) = self.stash.pop_front()
        {
            match push {
                Push::Event { seq, .. } if seq <= self.position => {}
                // Heeded when it was taken, whatever has to be waited for.
                Push::GoAway => {}
                Push::Event { seq, origin, frame } if seq == self.position + 1 => {
                    self.emit(&origin, frame, context);
                }
                gap @ Push::Event { .. } => {
                    self.stash.push_front(gap);
                    self.catch_up(context);
                }
                Push::Ephemeral(frame) => context.text(frame),
                Push::Revoked(sessions) => self.revoke(&sessions, context),
                Push::Resync => {
                    self.check_session(|_, _| {}, context);
                    self.catch_up(context);
                }
            }
        }
        if self.behind && self.flows() {
            self.behind = false;
            self.catch_up(context);
        }
        // One of them may have been the last answer that was owed.
        self.end_if_done(context);
    }

    /// Sends the next event: as such, or as the answer to the frame that caused it.
    fn emit(&mut self, origin: &str, frame: ByteString, context: &mut Context) {
        self.position += 1;
        let own = Origin::parse(origin).filter(|origin| origin.socket == self.id);
        let id = own.and_then(|own| self.owed.event(own.frame));
        if let Some(answer) = id.and_then(|id| protocol::ok_from_event(id, &frame)) {
            return context.text(answer);
        }
        if let Some((message, sender)) = protocol::new_message(&frame)
            && self.caller.as_ref().is_some_and(|caller| caller.user_id != sender)
            && let Some(tag) = Tag::of(message.as_str())
        {
            self.unacknowledged.insert(tag, message);
        }
        context.text(frame);
    }

    fn emit_missed(&mut self, missed: Vec<Missed>, context: &mut Context) {
        for Missed { origin, frame } in missed {
            self.emit(&origin, frame.into(), context);
        }
    }

    /// Asks the log for what is missing between what was sent and what the log has. Prolongs the log's life as well.
    fn catch_up(&mut self, context: &mut Context) {
        let Some(caller) = &self.caller else { return };
        self.stage = Stage::CatchingUp;
        let resume = Resume { epoch: self.epoch.clone(), seq: self.position };
        let open = OpenLog { user: caller.user_id.clone(), resume: Some(resume) };
        let ways = self.ways.clone();
        let opening = async move { ways.open_log.ask(open).await };
        context.spawn(wrap_future(opening).map(|outcome, socket: &mut Self, context| {
            if socket.stage != Stage::CatchingUp {
                return;
            }
            match outcome {
                Ok(LogOpened { missed: Some(missed), .. }) => {
                    socket.stage = Stage::Live;
                    socket.emit_missed(missed, context);
                    socket.flow(context);
                    socket.drain(context);
                }
                // What is missing cannot be had any more: the client is told so when it comes back.
                Ok(LogOpened { missed: None, .. }) => socket.close(Closing::GoingAway, context),
                Err(_) => {
                    context.run_later(RETRY, |socket, context| {
                        if socket.stage == Stage::CatchingUp {
                            socket.catch_up(context);
                        }
                    });
                }
            }
        }));
    }

    fn revoke(&mut self, sessions: &str, context: &mut Context) {
        let Some(caller) = self.caller.as_ref().filter(|_| self.stage != Stage::Closed) else { return };
        let own = caller.session_id.as_str();
        if sessions.split(' ').any(|session| session == own) {
            context.text(encode("session.revoked", &json!({ "sessionId": own })));
            self.close(Closing::SessionRevoked, context);
        }
    }

    /// Closes the socket when its session has ended without our hearing of it; `then` comes only when it has not.
    fn check_session(&mut self, then: fn(&mut Self, &mut Context), context: &mut Context) {
        let Some(Caller { user_id, session_id }) = self.caller.clone() else { return };
        let (ways, own) = (self.ways.clone(), session_id.to_string());
        let outcome = async move { ways.check_session.ask(CheckSession { user_id, session_id }).await };
        context.spawn(wrap_future(outcome).map(move |outcome, socket: &mut Self, context| match outcome {
            Err(AuthError::InvalidToken | AuthError::AccountGone) => socket.revoke(&own, context),
            // A datastore that is away ends no socket.
            _ => then(socket, context),
        }));
    }

    /// Every heartbeat: a ping to the client, a look at the session and the log, a sign of life to the datastore.
    fn beat(&mut self, context: &mut Context) {
        if self.inflow.silence() >= MISSED_BEATS * self.rules.heartbeat {
            return self.close(Closing::MissedHeartbeat, context);
        }
        context.ping(b"");
        self.check_session(Self::keep_alive, context);
    }

    fn keep_alive(&mut self, context: &mut Context) {
        if !self.beating {
            self.beating = true;
            self.show_life(context);
        }
        if self.flows() {
            self.catch_up(context);
        }
    }

    /// Tells the datastore that the socket lives, until that works: a beat left out would end the user's presence.
    fn show_life(&mut self, context: &mut Context) {
        let Some(caller) = self.caller.as_ref().filter(|_| self.stage != Stage::Closed) else { return };
        let beat = SocketsBeat { sockets: vec![(caller.user_id.clone(), self.id.clone())] };
        let ways = self.ways.clone();
        let outcome = async move { ways.beat.ask(beat).await };
        context.spawn(wrap_future(outcome).map(|outcome, socket: &mut Self, context| {
            socket.beating = outcome.is_err();
            if socket.beating {
                context.run_later(RETRY, Self::show_life);
            }
        }));
    }

    fn fragment(&mut self, item: Item, context: &mut Context) {
        let (bytes, last) = match item {
            Item::FirstText(bytes) => {
                self.fragments = Some(Vec::new());
                (bytes, false)
            }
            Item::Continue(bytes) => (bytes, false),
            Item::Last(bytes) => (bytes, true),
            Item::FirstBinary(_) => return self.close(Closing::BadFrame, context),
        };
        let Some(text) = &mut self.fragments else { return self.close(Closing::BadFrame, context) };
        if text.len() + bytes.len() > self.rules.max_frame_bytes {
            return self.close(Closing::FrameTooLarge, context);
        }
        text.extend_from_slice(&bytes);
        if last {
            let text = self.fragments.take().unwrap_or_default();
            match String::from_utf8(text) {
                Ok(text) => self.text(&text, context),
                Err(_) => self.close(Closing::BadFrame, context),
            }
        }
    }
}

/// The first frame of a server.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hello<'a> {
    user_id: &'a str,
    session_id: &'a str,
    epoch: &'a str,
    seq: u64,
    resumed: bool,
    heartbeat_ms: u64,
}

/// A socket has been opened, or cannot be.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct OpeningEnded {
    outcome: Result<Opened, NotOpened>,
    /// The frame that is owed an answer.
    frame: Option<u64>,
}

/// What a client has could not be noted.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct NotAcknowledged(Vec<MessageId>);

impl Actor for Session {
    type Context = Context;

    fn started(&mut self, context: &mut Self::Context) {
        metrics::gauge!("ayrene_sockets").increment(1);
        self.connection.becomes_socket(MISSED_BEATS * self.rules.heartbeat);
        let outbound = Arc::new(Outbound::new(context.address().recipient(), self.rules.max_queue_bytes));
        self.outbound = Some(outbound.clone());
        self.ways.hub.do_send(Enter { socket: self.id.clone(), outbound });
        if !self.credentials.origin_allowed {
            return self.close(Closing::Origin, context);
        }
        context.run_interval(self.rules.heartbeat, Self::beat);
        let greeting = if self.credentials.token.is_some() {
            context.run_later(self.rules.resume_grace, |socket, context| {
                socket.greeting = None;
                if let (Stage::Greeting, Some(token)) = (socket.stage, socket.credentials.token.take()) {
                    socket.open(token, None, None, context);
                }
            })
        } else {
            context.run_later(self.rules.auth_timeout, |socket, context| {
                if socket.stage == Stage::Greeting {
                    socket.close(Closing::AuthTimeout, context);
                }
            })
        };
        self.greeting = Some(greeting);
    }

    fn stopping(&mut self, _: &mut Self::Context) -> Running {
        metrics::gauge!("ayrene_sockets").decrement(1);
        self.stage = Stage::Closed;
        let (ways, socket, watched) = (self.ways.clone(), self.id.clone(), self.watched.drain().collect());
        match self.caller.take() {
            Some(Caller { user_id, .. }) => drop(actix::spawn(leave(ways, user_id, socket, watched))),
            None => ways.hub.do_send(Leave { user: None, socket, watched }),
        }
        Running::Stop
    }
}

impl Handler<OpeningEnded> for Session {
    type Result = ();

    fn handle(&mut self, OpeningEnded { outcome, frame }: OpeningEnded, context: &mut Self::Context) {
        match outcome {
            Ok(opened) => self.greet(opened, frame, context),
            Err(NotOpened { caller, closing }) => {
                self.caller = caller;
                if let Some(id) = frame {
                    context.text(protocol::refused(id, &closing.refusal()));
                }
                self.close(closing, context);
            }
        }
    }
}

impl Handler<NotAcknowledged> for Session {
    type Result = ();

    /// Until the next sign, unless something newer has come.
    fn handle(&mut self, NotAcknowledged(messages): NotAcknowledged, _: &mut Self::Context) {
        for message in messages {
            if let Some(tag) = Tag::of(message.as_str()) {
                self.unacknowledged.entry(tag).or_insert(message);
            }
        }
    }
}

impl Handler<Wake> for Session {
    type Result = ();

    fn handle(&mut self, _: Wake, context: &mut Self::Context) {
        self.drain(context);
    }
}

impl StreamHandler<Result<ws::Message, ProtocolError>> for Session {
    fn handle(&mut self, message: Result<ws::Message, ProtocolError>, context: &mut Self::Context) {
        if self.stage == Stage::Closed || self.ending.is_some() {
            return;
        }
        let message = match message {
            Ok(message) => message,
            Err(ProtocolError::Overflow) => return self.close(Closing::FrameTooLarge, context),
            // `Io` is what the codec says of text that is no UTF-8: how the connection fails does not come through.
            Err(_) => return self.close(Closing::BadFrame, context),
        };
        self.hear(context);
        if let ws::Message::Close(reason) = message {
            return self.end_after_work(Ending::Asked(reason), context);
        }
        if !self.budget.spend() {
            return self.close(Closing::RateLimit, context);
        }
        match message {
            ws::Message::Text(text) => self.text(&text, context),
            ws::Message::Binary(_) => self.close(Closing::BadFrame, context),
            ws::Message::Continuation(item) => self.fragment(item, context),
            ws::Message::Ping(bytes) => context.pong(&bytes),
            ws::Message::Pong(_) | ws::Message::Nop | ws::Message::Close(_) => {}
        }
    }

    /// The client sends no more, or more than it may.
    fn finished(&mut self, context: &mut Self::Context) {
        if self.inflow.met_too_large() {
            self.close(Closing::FrameTooLarge, context);
        }
        self.end_after_work(Ending::Silent, context);
    }
}
