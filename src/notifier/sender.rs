//! Sends the letters that wait: on each node one sender per way.
//!
//! Invariant: a letter leaves the queue only when the transport has it, or it has been given up; one that was being sent
//! when its process died is sent again by whoever looks next.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::letter::{Letter, Way};
use super::model::SEAL;
use super::store::queue::{Outcome, Queue, Taken};
use super::store::{Mark, NotifierStore};
use super::transport::{SendFailure, Transport, TransportError};
use crate::config::{Config, NotifierConfig};
use crate::redis::connection::RedisTarget;
use crate::redis::lending::Lender;
use crate::redis::{Redis, RedisFailure};
use crate::secrets::Seal;
use crate::values::PublicUrl;

/// Longest that a look into an empty queue waits.
const BLOCK: Duration = Duration::from_secs(1);
/// Pause after the datastore failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How often letters to try again, and those of dead processes, are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often consumers of dead processes are forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(600);
/// Tries before a letter is given up.
const LEAST_TRIES: u32 = 3;
/// What a letter may take besides being handed over.
const MARGIN: Duration = Duration::from_secs(10);

/// The open ways of this node.
#[derive(Debug)]
pub struct Ways {
    ways: Vec<(Way, Transport, Duration)>,
}

impl Ways {
    /// Opens the ways that the settings have.
    pub fn open(config: &Config, data_dir: &Path, public: &PublicUrl) -> Result<Self, TransportError> {
        let open = |way: Way| {
            let secs = match way {
                Way::Mail | Way::Bulk => config.mail.timeout_secs,
                Way::Sms => config.sms.timeout_secs,
            };
            let transport = Transport::open(way, config, data_dir, public)?;
            Ok((way, transport, Duration::from_secs(secs)))
        };
        Ok(Self { ways: Way::ALL.into_iter().map(open).collect::<Result<_, TransportError>>()? })
    }

    /// Starts to send, on the current thread.
    pub fn start(
        self,
        target: &RedisTarget,
        redis: &Redis,
        secret: &SecretString,
        config: &NotifierConfig,
    ) -> Senders {
        let longest = self.ways.iter().map(|(.., timeout)| *timeout).max().unwrap_or_default();
        let lender = Lender::new(target, self.ways.len(), BLOCK);
        let start = |(way, transport, timeout): (Way, Transport, Duration)| {
            let room = Arc::new(Semaphore::new(config.parallel));
            let sender = Sender {
                way,
                transport,
                queue: Queue::new(redis.clone(), lender.clone(), way),
                store: NotifierStore::new(redis.clone(), config),
                seal: Seal::new(secret, SEAL),
                config: config.clone(),
                reclaim_ms: (timeout + MARGIN).as_millis() as u64,
                room: room.clone(),
            };
            (actix::spawn(Rc::new(sender).run()), room)
        };
        let running = self.ways.into_iter().map(start).collect();
        Senders { running, parallel: config.parallel as u32, longest }
    }
}

/// The running senders of this node.
#[derive(Debug)]
pub struct Senders {
    running: Vec<(JoinHandle<()>, Arc<Semaphore>)>,
    parallel: u32,
    longest: Duration,
}

impl Senders {
    /// Takes no more letters, and lets those that are being handed over finish: else they would be sent again.
    pub async fn stop(self) {
        for (task, _) in &self.running {
            task.abort();
        }
        let idle = self.running.iter().map(|(_, room)| room.acquire_many(self.parallel));
        let _ = actix::clock::timeout(self.longest, join_all(idle)).await;
    }
}

struct Sender {
    way: Way,
    transport: Transport,
    queue: Queue,
    store: NotifierStore,
    seal: Seal,
    config: NotifierConfig,
    /// After this long somebody who took a letter is taken for dead.
    reclaim_ms: u64,
    /// For letters under way.
    room: Arc<Semaphore>,
}

impl Sender {
    async fn run(self: Rc<Self>) {
        let (mut looked, mut tidied, mut worked) = (None, Instant::now(), true);
        loop {
            let outcome = self.round(&mut looked, &mut tidied).await;
            if let (Err(error), true) = (&outcome, worked) {
                tracing::warn!(%error, way = self.way.as_str(), "letters wait");
            }
            worked = outcome.is_ok();
            if !worked {
                actix::clock::sleep(PAUSE).await;
            }
        }
    }

    /// Takes what there is room for, and sees to it that it is sent.
    async fn round(
        self: &Rc<Self>,
        looked: &mut Option<Instant>,
        tidied: &mut Instant,
    ) -> Result<(), RedisFailure> {
        if looked.is_none() {
            self.queue.open().await?;
        }
        if looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            *looked = None;
            self.look().await?;
            *looked = Some(Instant::now());
        }
        if tidied.elapsed() >= TIDY_EVERY {
            self.queue.tidy().await?;
            *tidied = Instant::now();
        }
        let room = self.room.available_permits();
        if room == 0 {
            // Until one of those under way has ended.
            drop(self.room.acquire().await);
            return Ok(());
        }
        let taken = self.queue.take(room).await;
        if taken.is_err() {
            *looked = None;
        }
        self.dispatch(taken?).await;
        Ok(())
    }

    async fn look(self: &Rc<Self>) -> Result<(), RedisFailure> {
        let standing = self.queue.wake().await?;
        let way = self.way.as_str();
        metrics::gauge!("ayrene_outgoing_waiting", "way" => way).set(standing.waiting as f64);
        metrics::gauge!("ayrene_outgoing_dead", "way" => way).set(standing.dead as f64);
        metrics::gauge!("ayrene_outgoing_oldest_seconds", "way" => way)
            .set(standing.oldest_ms as f64 / 1000.0);
        if standing.woken > 0 {
            tracing::debug!(way, letters = standing.woken, "letters are tried again");
        }
        let left = self.queue.reclaim(self.reclaim_ms, self.room.available_permits().max(1)).await?;
        self.dispatch(left).await;
        Ok(())
    }

    async fn dispatch(self: &Rc<Self>, taken: Vec<Taken>) {
        for taken in taken {
            let Ok(permit) = self.room.clone().acquire_owned().await else { return };
            let sender = self.clone();
            actix::spawn(async move {
                if let Err(error) = sender.send(&taken).await {
                    tracing::warn!(%error, "a letter is taken up again later");
                }
                drop(permit);
            });
        }
    }

    /// The notification is marked before the letter is settled: a crash in between repeats both.
    async fn send(&self, taken: &Taken) -> Result<(), RedisFailure> {
        let way = self.way.as_str();
        let letter: Option<Letter> = self.seal.open(&taken.sealed);
        let outcome = match &letter {
            Some(letter) => self.hand_over(letter, taken).await,
            None => Outcome::Dead { why: "it cannot be opened: was auth.jwt_secret changed?".to_owned() },
        };
        let (id, kind) =
            letter.as_ref().map_or(("", "unknown"), |letter| (letter.id.as_str(), letter.what.kind()));
        let label = match &outcome {
            Outcome::Sent => {
                tracing::info!(way, id, kind, tries = taken.tries + 1, "sent");
                "sent"
            }
            Outcome::Later { wait_ms, why } => {
                if taken.tries == 0 {
                    tracing::warn!(way, id, kind, wait_ms, why, "not taken, tried again later");
                } else {
                    tracing::debug!(way, id, kind, tries = taken.tries + 1, wait_ms, why, "not taken again");
                }
                "later"
            }
            Outcome::Expired => {
                tracing::info!(way, id, kind, "not sent any more: it is of no use by now");
                "expired"
            }
            Outcome::Dead { why } => {
                tracing::error!(way, id, kind, tries = taken.tries + 1, why, "given up");
                "dead"
            }
        };
        if let (Outcome::Sent, Some(Letter { listed: Some((user, notification)), .. })) = (&outcome, &letter)
        {
            self.store.change(user, notification, Mark::Sent).await?;
        }
        if self.queue.settle(&taken.entry, &outcome).await? {
            metrics::counter!("ayrene_outgoing_total", "way" => way, "outcome" => label).increment(1);
        }
        Ok(())
    }

    async fn hand_over(&self, letter: &Letter, taken: &Taken) -> Outcome {
        let now_ms = chrono::Utc::now().timestamp_millis();
        if letter.until_ms.is_some_and(|until_ms| until_ms < now_ms) {
            return Outcome::Expired;
        }
        let age_ms = now_ms.saturating_sub(taken.since_ms);
        // Clocks may differ: a letter is not given up for its age alone.
        let is_old = age_ms > i64::from(self.config.give_up_hours) * 3_600_000 && taken.tries >= LEAST_TRIES;
        match self.transport.send(letter, taken.since_ms).await {
            Ok(()) => Outcome::Sent,
            Err(SendFailure::Never(why)) => Outcome::Dead { why },
            Err(SendFailure::Later(why)) if is_old => Outcome::Dead { why },
            Err(SendFailure::Later(why)) => Outcome::Later { wait_ms: self.wait_ms(taken.tries), why },
        }
    }

    /// Twice as long each time, a quarter more or less, so that not all come back at once.
    fn wait_ms(&self, tries: u32) -> u64 {
        let full = self.config.first_retry_secs.saturating_mul(1 << tries.min(20));
        let full_ms = full.min(self.config.max_retry_secs).saturating_mul(1000);
        let mut byte = [128];
        let _ = aws_lc_rs::rand::fill(&mut byte);
        full_ms * 3 / 4 + full_ms * u64::from(byte[0]) / 512
    }
}
