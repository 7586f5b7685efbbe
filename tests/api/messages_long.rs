//! What a long conversation costs: as much as a short one.

use futures_util::future::join_all;

use crate::support::person::id;
use crate::support::{Person, TestServer, redis_server};

const SHORT: u64 = 100;
const LONG: u64 = 100_000;
/// Times that each call is measured; the cheapest counts, because heartbeats and sweeps are in the others.
const TIMES: usize = 7;

/// Writes messages from ARGV[1] to ARGV[2], sent by side ARGV[3] and each received and read by itself.
const SEED: &str = "#!lua
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local other = ARGV[3] == '0' and '1' or '0'
local last = tonumber(ARGV[2])
for seq = tonumber(ARGV[1]), last do
  local sent = ARGV[3] == '0' and seq or 0
  redis.call('HSET', KEYS[2], seq, now .. '|' .. now .. '|0|' .. ARGV[3] .. '|' .. sent .. '|{\"k\":\"text\",\"c\":\"hello\"}')
  redis.call('XADD', KEYS[3], seq .. '-1', 't', now)
  redis.call('XADD', KEYS[4], seq .. '-1', 't', now)
end
local sent = ARGV[3] == '0' and last or 0
for _, field in ipairs({'d', 'r', 'c', 'm'}) do
  redis.call('HSET', KEYS[1], field .. other, last)
end
return redis.call('HSET', KEYS[1], 'q', last, 'o', sent, 'n' .. other, 0)";

/// What one call makes the datastore do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    commands: u64,
    micros: u64,
    bytes: u64,
}

struct Meter {
    redis: redis::Connection,
}

impl Meter {
    fn total(&mut self) -> Cost {
        let info: String = redis::cmd("INFO").arg("all").query(&mut self.redis).unwrap();
        let field = |line: &str, name: &str| -> u64 {
            let rest = line.split_once(&format!("{name}=")).unwrap().1;
            rest.split(',').next().unwrap().parse().unwrap()
        };
        let mut cost = Cost { commands: 0, micros: 0, bytes: 0 };
        for line in info.lines() {
            if let Some(bytes) = line.strip_prefix("total_net_output_bytes:") {
                cost.bytes = bytes.parse().unwrap();
            }
            if line.starts_with("cmdstat_") && !line.starts_with("cmdstat_info:") {
                cost.commands += field(line, "calls");
                cost.micros += field(line, "usec");
            }
        }
        cost
    }

    async fn cost<T>(&mut self, call: impl AsyncFn() -> T) -> Cost {
        call().await;
        let mut cheapest = [u64::MAX; 3];
        for _ in 0..TIMES {
            let before = self.total();
            call().await;
            let after = self.total();
            let spent =
                [after.commands - before.commands, after.micros - before.micros, after.bytes - before.bytes];
            cheapest = std::array::from_fn(|of| cheapest[of].min(spent[of]));
        }
        let [commands, micros, bytes] = cheapest;
        Cost { commands, micros, bytes }
    }
}

/// Fills the conversation of two up to `last`.
async fn seed(server: &TestServer, redis: &mut redis::Connection, from: &Person, to: &Person, last: u64) {
    let sent = from.send(to, "first").await;
    let key = server.key(&format!("{{conv:{}}}", &id(&sent)[8..18]));
    let (side, other) = if from.id < to.id { ("0", "1") } else { ("1", "0") };
    let script = redis::Script::new(SEED);
    let mut first = 2;
    while first <= last {
        let upto = last.min(first + 4_999);
        let mut call = script.key(&key);
        for part in ["messages".to_owned(), format!("received:{other}"), format!("read:{other}")] {
            call.key(format!("{key}:{part}"));
        }
        call.arg(first).arg(upto).arg(side).invoke::<i64>(redis).unwrap();
        first = upto + 1;
    }
}

#[tokio::test]
async fn pages_and_sends_cost_the_same_in_a_long_conversation() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("own.sock");
    let mut child = redis_server::spawn_on(&socket, &[]);
    let url = format!("redis+unix://{}", socket.display());
    let server = TestServer::start_with(|config| config.redis.url = url.clone().into());
    let connect = || redis::Client::open(url.as_str()).unwrap().get_connection().unwrap();
    let (mut redis, mut meter) = (connect(), Meter { redis: connect() });
    let people = join_all(["ada", "bob", "eve"].map(|name| Person::new(&server, name))).await;
    let [ada, bob, eve] = &people[..] else { unreachable!() };
    let mut costs = Vec::new();
    for (other, length) in [(eve, SHORT), (bob, LONG)] {
        seed(&server, &mut redis, ada, other, length).await;
        let at = async |place: u64| {
            let newest = ada.page(&other.id, "?limit=1").await;
            let newest = id(&newest["messages"][0]).to_owned();
            // Seeded within a second or two: the one whose second fits.
            let secs = u64::from_str_radix(&newest[..8], 16).unwrap();
            for secs in (secs - 60)..=secs {
                let before = format!("{secs:08x}{}{place:06x}", &newest[8..18]);
                let path = format!("/api/messages/conversation/{}?limit=10&before={before}", other.id);
                if ada.client.get(&path).send().await.status == 200 {
                    return format!("?limit=10&before={before}");
                }
            }
            panic!("no message at {place}");
        };
        let (middle, oldest) = (at(length / 2).await, at(11).await);
        let page = async |query: &str| {
            let page = ada.page(&other.id, query).await;
            assert_eq!(page["messages"].as_array().unwrap().len(), 10);
        };
        costs.push([
            ("newest", meter.cost(async || page("?limit=10").await).await),
            ("middle", meter.cost(async || page(&middle).await).await),
            ("oldest", meter.cost(async || page(&oldest).await).await),
            ("send", meter.cost(async || ada.send(other, "x").await).await),
            ("mark read", meter.cost(async || other.mark_read(&ada.id).await.status).await),
            ("list", meter.cost(async || other.conversations().await).await),
        ]);
    }
    for ((what, short), (_, long)) in costs[0].iter().zip(&costs[1]) {
        // What a send tidies up after its answer may fall into the next one's measure.
        assert!(long.commands <= short.commands + 3, "{what}: {short:?} {long:?}");
        assert!(long.bytes <= short.bytes + 1_000, "{what}: {short:?} {long:?}");
        assert!(long.micros <= short.micros + 1_000, "{what}: {short:?} {long:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
