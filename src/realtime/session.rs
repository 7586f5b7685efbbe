//! One socket.
//!
//! Owns a connection's life: who it belongs to, where it is in its user's log, which answers it owes. Invariants:
//!
//! - Events go out in the order of their numbers, without gaps: what is missing is read from the log first.
//! - Each frame is answered once, in the order in which frames are worked off: one at a time.
//! - An event that this socket caused is not pushed to it: its `ok` carries the event's `seq` instead, in its place.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::wrap_future;
use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Handler, Message, Running, SpawnHandle,
    StreamHandler,
};
use actix_http::ws::Item;
use actix_web_actors::ws::{self, CloseReason, ProtocolError, WebsocketContext, WsResponseBuilder};
use bytestring::ByteString;
use serde::Serialize;
use serde_json::json;

use super::hub::{Attach, Detach, Hub, NotAttached, Unwatch, Watch};
use super::messages::{LogOpened, OpenLog};
use super::model::{Missed, Origin, Resume, Watched, encode};
use super::outbound::{Outbound, Push, TooSlow, Wake};
use super::protocol::{self, Closing, Frame, FrameRules, ReadUpto, Refusal, Request};
use crate::actor::Ask;
use crate::auth::error::AuthError;
use crate::auth::messages::{Authenticate, Caller, CheckSession};
use crate::config::{ConversationConfig, Quota, RealtimeConfig};
use crate::conversation::messages::{
    Acknowledge, DeleteMessage, EditMessage, MarkRead, SendMessage, Type, Upto,
};
use crate::conversation::model::{MessageId, Tag};
use crate::conversation::view::{ConversationRead, MessageView};
use crate::presence::messages::{FetchPresence, SetStatus, SocketClosed, SocketOpened, SocketsBeat};
use crate::presence::model::Presence;
use crate::users::model::UserId;

/// Frames that may wait to be worked off.
const MAX_INBOX: usize = 256;
/// How long the answer of a frame waits for the event that it caused, to go out in its place.
const OWN_EVENT: Duration = Duration::from_secs(1);
/// How often a log's life is prolonged while a socket is open.
const KEEP_LOG: Duration = Duration::from_secs(3600);

/// A socket's ways to everybody else.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The node's ear.
    pub hub: Addr<Hub>,
    /// The users' logs.
    pub open_log: Ask<OpenLog>,
    /// Sessions.
    pub authenticate: Ask<Authenticate>,
    /// Sessions.
    pub check_session: Ask<CheckSession>,
    /// Messages.
    pub send: Ask<SendMessage>,
    /// Messages.
    pub read: Ask<MarkRead>,
    /// Messages.
    pub edit: Ask<EditMessage>,
    /// Messages.
    pub delete: Ask<DeleteMessage>,
    /// Messages.
    pub acknowledge: Ask<Acknowledge>,
    /// Messages.
    pub typing: Ask<Type>,
    /// Presence.
    pub opened: Ask<SocketOpened>,
    /// Presence.
    pub beat: Ask<SocketsBeat>,
    /// Presence.
    pub closed: Ask<SocketClosed>,
    /// Presence.
    pub set_status: Ask<SetStatus>,
    /// Presence.
    pub presence: Ask<FetchPresence>,
}

/// What sockets are held to.
#[derive(Debug, Clone, Copy)]
pub struct SocketRules {
    heartbeat: Duration,
    auth_timeout: Duration,
    resume_grace: Duration,
    max_frame_bytes: usize,
    max_queue_bytes: usize,
    frames: Quota,
    bounds: FrameRules,
}

impl SocketRules {
    /// As configured.
    pub fn new(realtime: &RealtimeConfig, conversation: &ConversationConfig) -> Self {
        Self {
            heartbeat: Duration::from_millis(realtime.heartbeat_ms),
            auth_timeout: Duration::from_secs(realtime.auth_timeout_secs),
            resume_grace: Duration::from_millis(realtime.resume_grace_ms),
            max_frame_bytes: realtime.max_frame_bytes,
            max_queue_bytes: realtime.max_queue_bytes,
            frames: realtime.frames,
            bounds: FrameRules {
                max_message_bytes: conversation.max_message_bytes,
                max_watched: realtime.max_watched,
            },
        }
    }
}

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

/// An answer that is owed to a frame which causes an event of its own.
#[derive(Debug)]
struct Owed {
    frame: u64,
    /// Once the frame is worked off.
    answer: Option<String>,
}

/// One socket.
#[derive(Debug)]
pub struct Session {
    id: String,
    ways: Arc<Ways>,
    rules: SocketRules,
    /// From the upgrade's header.
    token: Option<String>,
    origin_allowed: bool,
    stage: Stage,
    /// Ends the greeting; an idle socket shall not keep it.
    greeting: Option<SpawnHandle>,
    caller: Option<Caller>,
    outbound: Option<Arc<Outbound>>,
    epoch: String,
    position: u64,
    /// Pushes that wait for a gap to be closed.
    stash: VecDeque<Push>,
    inbox: VecDeque<Frame>,
    working: bool,
    owed: Vec<Owed>,
    /// New messages since the client was last heard, the newest of each conversation.
    unacknowledged: HashMap<Tag, MessageId>,
    watched: HashSet<UserId>,
    heard: Instant,
    kept: Instant,
    budget: Budget,
    /// A text that comes in parts.
    fragments: Option<Vec<u8>>,
}

type Context = WebsocketContext<Session>;

impl Session {
    /// A socket whose upgrade carried `token`, and came from an allowed origin or not.
    pub fn new(ways: Arc<Ways>, rules: SocketRules, token: Option<String>, origin_allowed: bool) -> Self {
        Self {
            id: nanoid::nanoid!(),
            ways,
            rules,
            token,
            origin_allowed,
            stage: Stage::Greeting,
            greeting: None,
            caller: None,
            outbound: None,
            epoch: String::new(),
            position: 0,
            stash: VecDeque::new(),
            inbox: VecDeque::new(),
            working: false,
            owed: Vec::new(),
            unacknowledged: HashMap::new(),
            watched: HashSet::new(),
            heard: Instant::now(),
            kept: Instant::now(),
            budget: Budget::new(rules.frames),
            fragments: None,
        }
    }

    /// Answers the upgrade and runs the socket on its connection.
    pub fn upgrade(
        self,
        request: &actix_web::HttpRequest,
        payload: actix_web::web::Payload,
    ) -> Result<actix_web::HttpResponse, actix_web::Error> {
        let max = self.rules.max_frame_bytes;
        WsResponseBuilder::new(self, request, payload).frame_size(max).start()
    }

    fn close(&mut self, closing: Closing, context: &mut Context) {
        if self.stage == Stage::Closed {
            return;
        }
        self.stage = Stage::Closed;
        let (code, reason) = closing.code();
        metrics::counter!("ayrene_sockets_closed_total", "code" => code.to_string()).increment(1);
        tracing::debug!(socket = self.id, code, reason, "socket closes");
        context.close(Some(CloseReason { code: code.into(), description: Some(reason.to_owned()) }));
        context.stop();
    }

    /// Any sign of the client: it lives, and it has what was sent before.
    fn hear(&mut self, context: &mut Context) {
        self.heard = Instant::now();
        let Some(caller) = self.caller.as_ref().filter(|_| !self.unacknowledged.is_empty()) else { return };
        let messages: Vec<MessageId> = self.unacknowledged.drain().map(|(_, message)| message).collect();
        let acknowledge = Acknowledge { user: caller.user_id.clone(), messages: messages.clone() };
        let outcome = self.ways.acknowledge.clone();
        let outcome = async move { outcome.ask(acknowledge).await };
        context.spawn(wrap_future(outcome).map(move |outcome, socket: &mut Self, _| {
            if outcome.is_err() {
                // Until the next sign, unless something newer has come.
                for message in messages {
                    if let Some(tag) = Tag::of(message.as_str()) {
                        socket.unacknowledged.entry(tag).or_insert(message);
                    }
                }
            }
        }));
    }

    fn text(&mut self, text: &str, context: &mut Context) {
        if !self.budget.spend() {
            return self.close(Closing::RateLimit, context);
        }
        let Ok(frame) = Frame::parse(text, self.rules.bounds) else {
            return self.close(Closing::BadFrame, context);
        };
        if self.stage != Stage::Greeting {
            return self.enqueue(frame, context);
        }
        match (self.token.take(), frame) {
            (Some(token), Frame { id, request: Ok(Request::Resume(resume)) }) => {
                self.open(token, Some(resume), Some(id), context);
            }
            (Some(token), frame) => {
                self.open(token, None, None, context);
                self.enqueue(frame, context);
            }
            (None, Frame { id, request: Ok(Request::Auth { token, resume }) }) => {
                self.open(token, resume, Some(id), context);
            }
            (None, Frame { id, .. }) => {
                let refusal = Refusal::new("unauthenticated", "The first frame must be auth, with a token");
                context.text(protocol::refused(id, &refusal));
            }
        }
    }

    fn enqueue(&mut self, frame: Frame, context: &mut Context) {
        if self.inbox.len() >= MAX_INBOX {
            return self.close(Closing::RateLimit, context);
        }
        self.inbox.push_back(frame);
        self.work(context);
    }

    /// Finds out who it is, listens, looks where the log stands, and says hello. `frame` is owed an answer.
    fn open(&mut self, token: String, resume: Option<Resume>, frame: Option<u64>, context: &mut Context) {
        self.stage = Stage::Opening;
        if let Some(greeting) = self.greeting.take() {
            context.cancel_future(greeting);
        }
        let outbound = Arc::new(Outbound::new(context.address().recipient(), self.rules.max_queue_bytes));
        self.outbound = Some(outbound.clone());
        let (ways, socket, address) = (self.ways.clone(), self.id.clone(), context.address());
        // Not in our context, which may end meanwhile: what was opened must be closed then.
        actix::spawn(async move {
            let outcome = open(ways.clone(), socket.clone(), outbound, token, resume).await;
            let user = match &outcome {
                Ok((caller, _)) | Err((Some(caller), _)) => Some(caller.user_id.clone()),
                Err((None, _)) => None,
            };
            if address.send(Opened { outcome, frame }).await.is_err()
                && let Some(user) = user
            {
                leave(ways, user, socket, Vec::new()).await;
            }
        });
    }

    fn greet(&mut self, caller: Caller, log: LogOpened, frame: Option<u64>, context: &mut Context) {
        if self.stage != Stage::Opening {
            return;
        }
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
        for Missed { origin, frame } in log.missed.into_iter().flatten() {
            self.emit(&origin, frame.into(), context);
        }
        self.drain(context);
        self.work(context);
    }

    /// Works off the next frame, if none is being worked off.
    fn work(&mut self, context: &mut Context) {
        if self.working || !matches!(self.stage, Stage::Live | Stage::CatchingUp) {
            return;
        }
        let Some(caller) = self.caller.clone() else { return };
        let Some(Frame { id, request }) = self.inbox.pop_front() else { return };
        let request = match request {
            Ok(request) => request,
            Err(refusal) => {
                context.text(protocol::refused(id, &refusal));
                return self.work(context);
            }
        };
        self.working = true;
        if matches!(request, Request::Send { .. } | Request::Read(_)) {
            self.owed.push(Owed { frame: id, answer: None });
        }
        let origin = Origin { socket: self.id.clone(), frame: id };
        let granting: std::pin::Pin<Box<dyn Future<Output = Result<Granted, Refusal>>>> = match request {
            Request::Watch(people) => Box::pin(self.watch(people)),
            Request::Unwatch(people) => Box::pin(std::future::ready(self.unwatch(people))),
            request => Box::pin(grant(self.ways.clone(), caller, request, origin)),
        };
        context.spawn(wrap_future(granting).map(move |outcome, socket: &mut Self, context| {
            socket.working = false;
            if socket.stage != Stage::Closed {
                socket.answer(id, outcome, context);
                socket.work(context);
            }
        }));
    }

    fn answer(&mut self, id: u64, outcome: Result<Granted, Refusal>, context: &mut Context) {
        let owed = self.owed.iter().position(|owed| owed.frame == id);
        let answer = match outcome {
            Ok(Granted { data, event }) => {
                let answer = protocol::ok(id, &data);
                match (event, owed) {
                    (true, Some(place)) => {
                        // Its event is on the way: the answer goes out in the event's place.
                        self.owed[place].answer = Some(answer);
                        context.run_later(OWN_EVENT, move |socket, context| socket.settle(id, context));
                        return;
                    }
                    // The event came first, and was the answer.
                    (true, None) => return,
                    (false, _) => answer,
                }
            }
            Err(refusal) => protocol::refused(id, &refusal),
        };
        if let Some(place) = owed {
            self.owed.swap_remove(place);
        }
        context.text(answer);
    }

    /// The event did not come: it will be pushed when it does.
    fn settle(&mut self, id: u64, context: &mut Context) {
        let waits = |owed: &Owed| owed.frame == id && owed.answer.is_some();
        if let Some(place) = self.owed.iter().position(waits)
            && let Some(answer) = self.owed.swap_remove(place).answer
        {
            context.text(answer);
        }
    }

    fn watch(&mut self, people: Vec<UserId>) -> impl Future<Output = Result<Granted, Refusal>> + use<> {
        let fits =
            self.watched.union(&people.iter().cloned().collect()).count() <= self.rules.bounds.max_watched;
        let max = self.rules.bounds.max_watched;
        let heard = fits.then(|| {
            self.watched.extend(people.iter().cloned());
            self.outbound.clone().map(|outbound| {
                self.ways.hub.send(Watch { people: people.clone(), socket: self.id.clone(), outbound })
            })
        });
        let presence = self.ways.presence.clone();
        async move {
            let Some(heard) = heard else {
                return Err(Refusal::invalid(
                    "userIds",
                    format!("would make more than {max} that are watched"),
                ));
            };
            let Some(Ok(true)) = (match heard {
                Some(heard) => Some(heard.await),
                None => None,
            }) else {
                return Err(Refusal::unavailable());
            };
            let states = presence.ask(FetchPresence { ids: people.clone() }).await;
            let states = states.map_err(|_| Refusal::unavailable())?;
            let state = |id: &UserId| Watched::new(id, states.get(id).copied().unwrap_or(Presence::NEVER));
            let states: Vec<Watched> = people.iter().map(state).collect();
            Ok(Granted::plain(json!({ "states": states })))
        }
    }

    fn unwatch(&mut self, people: Vec<UserId>) -> Result<Granted, Refusal> {
        self.watched.retain(|person| !people.contains(person));
        self.ways.hub.do_send(Unwatch { people, socket: self.id.clone() });
        Ok(Granted::plain(json!({})))
    }

    /// Sends what waits.
    fn drain(&mut self, context: &mut Context) {
        if self.stage != Stage::Live {
            return;
        }
        let Some(waiting) = self.outbound.as_ref().map(|outbound| outbound.take()) else { return };
        match waiting {
            Ok(pushes) => {
                self.stash.extend(pushes);
                self.flow(context);
            }
            Err(TooSlow) => self.close(Closing::TooSlow, context),
        }
    }

    /// Sends what was taken, up to a gap.
    fn flow(&mut self, context: &mut Context) {
        while self.stage == Stage::Live
            && let Some(push) = self.stash.pop_front()
        {
            match push {
                Push::Event { seq, .. } if seq <= self.position => {}
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
                Push::GoAway => self.close(Closing::GoingAway, context),
            }
        }
    }

    /// Sends the next event: as such, or as the answer to the frame that caused it.
    fn emit(&mut self, origin: &str, frame: ByteString, context: &mut Context) {
        self.position += 1;
        let own = Origin::parse(origin).filter(|origin| origin.socket == self.id);
        let owed = own.and_then(|own| self.owed.iter().position(|owed| owed.frame == own.frame));
        if let Some(place) = owed {
            let id = self.owed.swap_remove(place).frame;
            if let Some(answer) = protocol::ok_from_event(id, &frame) {
                return context.text(answer);
            }
        } else if let Some(message) = protocol::new_message(&frame)
            && let Some(tag) = Tag::of(message.as_str())
        {
            self.unacknowledged.insert(tag, message);
        }
        context.text(frame);
    }

    /// Asks the log for what is missing between what was sent and what the log has.
    fn catch_up(&mut self, context: &mut Context) {
        let Some(caller) = &self.caller else { return };
        self.stage = Stage::CatchingUp;
        let resume = Resume { epoch: self.epoch.clone(), seq: self.position };
        let open = OpenLog { user: caller.user_id.clone(), resume: Some(resume) };
        let log = self.ways.open_log.clone();
        let opening = async move { log.ask(open).await };
        context.spawn(wrap_future(opening).map(|outcome, socket: &mut Self, context| {
            if socket.stage != Stage::CatchingUp {
                return;
            }
            socket.stage = Stage::Live;
            let Ok(LogOpened { missed: Some(missed), .. }) = outcome else {
                // What is missing cannot be had here: the client resumes, or is told to refetch.
                return socket.close(Closing::GoingAway, context);
            };
            for Missed { origin, frame } in missed {
                socket.emit(&origin, frame.into(), context);
            }
            socket.flow(context);
            socket.drain(context);
        }));
    }

    fn revoke(&mut self, sessions: &str, context: &mut Context) {
        let Some(caller) = &self.caller else { return };
        let own = caller.session_id.as_str();
        if sessions.split(' ').any(|session| session == own) {
            context.text(encode("session.revoked", &json!({ "sessionId": own })));
            self.close(Closing::SessionRevoked, context);
        }
    }

    /// Closes the socket when its session has ended without our hearing of it; `then` comes only when it has not.
    fn check_session(&mut self, then: fn(&mut Self, &mut Context), context: &mut Context) {
        let Some(Caller { user_id, session_id }) = self.caller.clone() else { return };
        let ways = self.ways.clone();
        let own = session_id.to_string();
        let outcome = async move { ways.check_session.ask(CheckSession { user_id, session_id }).await };
        context.spawn(wrap_future(outcome).map(move |outcome, socket: &mut Self, context| match outcome {
            Err(AuthError::InvalidToken | AuthError::AccountGone) => socket.revoke(&own, context),
            // A datastore that is away ends no socket.
            _ => then(socket, context),
        }));
    }

    /// Every heartbeat: a ping to the client, a look at the session, a sign of life to the datastore.
    fn beat(&mut self, context: &mut Context) {
        if self.heard.elapsed() >= 2 * self.rules.heartbeat {
            return self.close(Closing::MissedHeartbeat, context);
        }
        context.ping(b"");
        self.check_session(Self::show_life, context);
    }

    fn show_life(&mut self, context: &mut Context) {
        let Some(Caller { user_id, .. }) = self.caller.clone() else { return };
        let keep = self.kept.elapsed() > KEEP_LOG;
        if keep {
            self.kept = Instant::now();
        }
        let (ways, socket) = (self.ways.clone(), self.id.clone());
        context.spawn(wrap_future(async move {
            if let Err(error) = ways.beat.ask(SocketsBeat { sockets: vec![(user_id.clone(), socket)] }).await
            {
                tracing::debug!(%error, "a socket's sign of life is lost");
            }
            if keep && let Err(error) = ways.open_log.ask(OpenLog { user: user_id, resume: None }).await {
                tracing::debug!(%error, "a log is not prolonged");
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

/// What a granted frame gets.
struct Granted {
    data: serde_json::Value,
    /// Whether an event of this socket's own comes along.
    event: bool,
}

impl Granted {
    fn plain(data: serde_json::Value) -> Self {
        Self { data, event: false }
    }

    fn of(data: &impl Serialize, event: bool) -> Self {
        let data = serde_json::to_value(data);
        Self { data: data.unwrap_or_else(|error| unreachable!("answers are plain data: {error}")), event }
    }
}

async fn grant(
    ways: Arc<Ways>,
    caller: Caller,
    request: Request,
    origin: Origin,
) -> Result<Granted, Refusal> {
    let user = caller.user_id;
    match request {
        Request::Send { to, content, client_id } => {
            let send = SendMessage { from: user, to, content, client_id, origin: Some(origin) };
            let sent = ways.send.ask(send).await?;
            Ok(Granted::of(&MessageView::shown(&sent.shown), sent.fresh))
        }
        Request::Read(upto) => {
            let upto = match upto {
                ReadUpto::Message(message) => Upto::Message(message),
                ReadUpto::Conversation(tag) => Upto::Conversation(tag),
            };
            let marked = ways.read.ask(MarkRead { user, upto, origin: Some(origin) }).await?;
            let conversation_id = marked.conversation.id.to_string();
            let read = ConversationRead { conversation_id, unread_count: marked.unread };
            Ok(Granted::of(&read, marked.told))
        }
        Request::Edit { message, content } => {
            let shown = ways.edit.ask(EditMessage { user, message, content }).await?;
            Ok(Granted::of(&MessageView::shown(&shown), false))
        }
        Request::Delete { message } => {
            let shown = ways.delete.ask(DeleteMessage { user, message }).await?;
            Ok(Granted::of(&MessageView::shown(&shown), false))
        }
        Request::Typing { to, typing } => {
            ways.typing.ask(Type { from: user, to, typing }).await?;
            Ok(Granted::plain(json!({})))
        }
        Request::SetStatus(status) => {
            let presence = ways.set_status.ask(SetStatus { user_id: user, status }).await;
            let presence = presence.map_err(|_| Refusal::unavailable())?;
            Ok(Granted::plain(json!({ "status": presence.status })))
        }
        Request::Auth { .. } => Err(Refusal::new("conflict", "This socket is authenticated")),
        Request::Resume(_) => {
            Err(Refusal::new("conflict", "A resume must be the first frame: reconnect to resume"))
        }
        Request::Watch(_) | Request::Unwatch(_) => Err(Refusal::unavailable()),
    }
}

/// Who it is and where the log stands; or who it is, if that was found out, and why the socket closes.
type Outcome = Result<(Caller, LogOpened), (Option<Caller>, Closing)>;

/// A socket has been opened, or cannot be.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Opened {
    outcome: Outcome,
    /// The frame that is owed an answer.
    frame: Option<u64>,
}

/// Takes back what [`open`] did.
async fn leave(ways: Arc<Ways>, user: UserId, socket: String, watched: Vec<UserId>) {
    ways.hub.do_send(Detach { user: user.clone(), socket: socket.clone(), watched });
    if let Err(error) = ways.closed.ask(SocketClosed { user_id: user, socket }).await {
        tracing::debug!(%error, "a closed socket is left to run out");
    }
}

/// Listens before it looks where the log stands: what happens in between is heard, and known by its number.
async fn open(
    ways: Arc<Ways>,
    socket: String,
    outbound: Arc<Outbound>,
    token: String,
    resume: Option<Resume>,
) -> Outcome {
    let caller = ways.authenticate.ask(Authenticate { token }).await.map_err(|error| match error {
        AuthError::Ask(_) | AuthError::Redis(_) => (None, Closing::GoingAway),
        _ => (None, Closing::BadToken),
    })?;
    let user = caller.user_id.clone();
    let fail = |closing| (Some(caller.clone()), closing);
    let attach = Attach { user: user.clone(), socket: socket.clone(), outbound };
    match ways.hub.send(attach).await {
        Ok(Ok(())) => {}
        Ok(Err(NotAttached::TooMany)) => return Err((None, Closing::RateLimit)),
        Ok(Err(NotAttached::Deaf)) | Err(_) => return Err(fail(Closing::GoingAway)),
    }
    let log = ways.open_log.ask(OpenLog { user: user.clone(), resume });
    let log = log.await.map_err(|_| fail(Closing::GoingAway))?;
    let opened = ways.opened.ask(SocketOpened { user_id: user, socket });
    opened.await.map_err(|_| fail(Closing::GoingAway))?;
    Ok((caller, log))
}

impl Actor for Session {
    type Context = Context;

    fn started(&mut self, context: &mut Self::Context) {
        metrics::gauge!("ayrene_sockets").increment(1);
        if !self.origin_allowed {
            return self.close(Closing::Origin, context);
        }
        context.run_interval(self.rules.heartbeat, Self::beat);
        let greeting = if self.token.is_some() {
            context.run_later(self.rules.resume_grace, |socket, context| {
                socket.greeting = None;
                if let (Stage::Greeting, Some(token)) = (socket.stage, socket.token.take()) {
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
        if let Some(Caller { user_id, .. }) = self.caller.take() {
            let watched = self.watched.drain().collect();
            actix::spawn(leave(self.ways.clone(), user_id, self.id.clone(), watched));
        }
        Running::Stop
    }
}

impl Handler<Opened> for Session {
    type Result = ();

    fn handle(&mut self, Opened { outcome, frame }: Opened, context: &mut Self::Context) {
        match outcome {
            Ok((caller, log)) => self.greet(caller, log, frame, context),
            Err((caller, closing)) => {
                self.caller = caller;
                if let (Some(id), Closing::BadToken) = (frame, closing) {
                    let refusal = Refusal::new("bad_token", "The token is expired, revoked or none");
                    context.text(protocol::refused(id, &refusal));
                }
                self.close(closing, context);
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
        if self.stage == Stage::Closed {
            return;
        }
        let message = match message {
            Ok(message) => message,
            Err(ProtocolError::Overflow) => return self.close(Closing::FrameTooLarge, context),
            Err(ProtocolError::Io(_)) => return context.stop(),
            Err(_) => return self.close(Closing::BadFrame, context),
        };
        self.hear(context);
        match message {
            ws::Message::Text(text) => self.text(&text, context),
            ws::Message::Binary(_) => self.close(Closing::BadFrame, context),
            ws::Message::Continuation(item) => self.fragment(item, context),
            ws::Message::Ping(bytes) => {
                if self.budget.spend() {
                    context.pong(&bytes);
                } else {
                    self.close(Closing::RateLimit, context);
                }
            }
            ws::Message::Pong(_) | ws::Message::Nop => {}
            ws::Message::Close(reason) => {
                self.stage = Stage::Closed;
                context.close(reason);
                context.stop();
            }
        }
    }
}

/// Frames that a connection may still send: a bucket that refills evenly.
#[derive(Debug)]
struct Budget {
    quota: Quota,
    tokens: f64,
    filled: Instant,
}

impl Budget {
    fn new(quota: Quota) -> Self {
        Self { quota, tokens: f64::from(quota.requests), filled: Instant::now() }
    }

    /// False when there is none left.
    fn spend(&mut self) -> bool {
        let now = Instant::now();
        let rate = f64::from(self.quota.requests) / f64::from(self.quota.per_secs.max(1));
        let refill = now.duration_since(self.filled).as_secs_f64() * rate;
        self.tokens = (self.tokens + refill).min(f64::from(self.quota.requests));
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}
