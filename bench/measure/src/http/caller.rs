//! The callers: one connection a user, and the loop that hands them what is due.

use anyhow::{Context as _, Result, ensure};
use bench::load::flights::{self, Flights};
use bench::load::generator::Segment;
use bench::load::host::preempted_here;
use bench::load::schedule::Schedule;
use bench::web::WebUser;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use tile::Clock;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local, yield_now};

/// From the call to the first intended time.
const LEAD: u64 = 5_000_000;
/// For the answers that are still on their way when the schedule has ended.
const PATIENCE: u64 = 2_000_000_000;

/// What the callers were told, over all segments.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) placed: u64,
    pub(super) cancelled: u64,
    /// Answers that are errors.
    pub(super) refused: u64,
}

/// What a caller is to do.
struct Job {
    segment: u64,
    request: usize,
    orders: bool,
}

/// Shared by the tasks of this thread.
struct Shared {
    segment: u64,
    flights: Option<Flights>,
    told: Told,
    broken: Option<String>,
}

pub(super) struct Callers {
    runtime: Runtime,
    tasks: LocalSet,
    jobs: Vec<UnboundedSender<Job>>,
    shared: Rc<RefCell<Shared>>,
}

impl Callers {
    /// Opens the users' connections.
    pub(super) fn connect(gateway: SocketAddr, users: &[WebUser]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let tasks = LocalSet::new();
        let shared = Rc::new(RefCell::new(Shared {
            segment: 0,
            flights: None,
            told: Told::default(),
            broken: None,
        }));
        let jobs = runtime.block_on(tasks.run_until(async {
            let mut jobs = Vec::new();
            for (user, number) in users.iter().zip(1_u64..) {
                let stream = TcpStream::connect(gateway)
                    .await
                    .context("connect to the gateway")?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                spawn_local(connection);
                let (to, from) = unbounded_channel();
                let caller = Caller {
                    sender,
                    host: gateway.to_string(),
                    bearer: format!("Bearer {}", user.access_token),
                    resting: None,
                    // Prices apart, so that nobody trades.
                    price: 20_000 + number,
                    shared: Rc::clone(&shared),
                };
                spawn_local(caller.run(from));
                jobs.push(to);
            }
            anyhow::Ok(jobs)
        }))?;
        Ok(Self {
            runtime,
            tasks,
            jobs,
            shared,
        })
    }

    pub(super) fn told(&self) -> Told {
        self.shared.borrow().told
    }

    /// Runs a schedule: orders, or the floor.
    pub(super) fn segment(&mut self, schedule: &Schedule, orders: bool) -> Result<Segment> {
        let start = Clock::now() + LEAD;
        let before = self.told().refused;
        let segment = {
            let mut shared = self.shared.borrow_mut();
            shared.segment += 1;
            shared.flights = Some(Flights::new(schedule, start));
            shared.segment
        };
        let preempted = preempted_here();
        let mut turns = flights::empty()?;
        let (jobs, shared) = (&self.jobs, &self.shared);
        let hand_out = async {
            let (mut next, mut last) = (0, Clock::now());
            let end = start + schedule.length() + PATIENCE;
            loop {
                let now = Clock::now();
                turns.saturating_record(now - last);
                last = now;
                while schedule
                    .offset(next)
                    .is_some_and(|offset| start + offset <= now)
                {
                    let job = Job {
                        segment,
                        request: next,
                        orders,
                    };
                    // A caller that is gone leaves its requests unanswered, which fails the row.
                    let _gone = jobs[next % jobs.len()].send(job);
                    next += 1;
                }
                let all_sent = next == schedule.planned();
                let open = || {
                    let shared = shared.borrow();
                    let counts = shared.flights.as_ref().map(Flights::counts);
                    counts.is_some_and(|counts| counts.answered < counts.planned)
                };
                if all_sent && (now > end || !open()) {
                    break;
                }
                yield_now().await;
            }
        };
        self.runtime.block_on(self.tasks.run_until(hand_out));
        let mut shared = self.shared.borrow_mut();
        ensure!(
            shared.broken.is_none(),
            "a connection broke: {}",
            shared.broken.take().unwrap_or_default()
        );
        let refused = shared.told.refused - before;
        let flights = shared.flights.take().context("the segment's flights")?;
        Ok(Segment {
            flights,
            faults: vec![("answers that are errors", refused)],
            turns,
            preempted: preempted_here().saturating_sub(preempted),
        })
    }
}

struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    bearer: String,
    /// The order that is to be cancelled next.
    resting: Option<String>,
    price: u64,
    shared: Rc<RefCell<Shared>>,
}

impl Caller {
    async fn run(mut self, mut jobs: UnboundedReceiver<Job>) {
        while let Some(job) = jobs.recv().await {
            // What a segment that has ended left behind is not sent any more.
            if self.shared.borrow().segment != job.segment {
                continue;
            }
            if let Err(error) = self.call(&job).await {
                self.shared.borrow_mut().broken = Some(format!("{error:#}"));
                return;
            }
        }
    }

    async fn call(&mut self, job: &Job) -> Result<()> {
        let request = self.request(job.orders)?;
        let cancels = request.method() == Method::DELETE;
        self.note(job, Flights::sent);
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        self.note(job, Flights::answered);
        let told = &mut self.shared.borrow_mut().told;
        if !matches!(status, StatusCode::OK | StatusCode::CREATED) {
            told.refused += 1;
        } else if cancels {
            told.cancelled += 1;
        } else if job.orders {
            told.placed += 1;
            self.resting = Some(order_id(&body).context("an accepted order has an id")?);
        }
        Ok(())
    }

    fn note(&self, job: &Job, note: fn(&mut Flights, usize, u64)) {
        let mut shared = self.shared.borrow_mut();
        if shared.segment == job.segment
            && let Some(flights) = &mut shared.flights
        {
            note(flights, job.request, Clock::now());
        }
    }

    fn request(&mut self, orders: bool) -> Result<Request<Full<Bytes>>> {
        let request = Request::builder()
            .header("Host", &self.host)
            .header("Authorization", &self.bearer)
            .header("Content-Type", "application/json");
        let (request, body) = if !orders {
            (request.method(Method::GET).uri("/health"), Bytes::new())
        } else if let Some(order) = self.resting.take() {
            let uri = format!("/api/v1/orders/{order}");
            (request.method(Method::DELETE).uri(uri), Bytes::new())
        } else {
            let order = format!(
                "{{\"market\":\"SOL/USDC\",\"side\":\"Bid\",\"order_type\":\"Limit\",\"price\":\"{}\",\"quantity\":\"1\"}}",
                self.price
            );
            (
                request.method(Method::POST).uri("/api/v1/orders"),
                order.into(),
            )
        };
        Ok(request.body(Full::new(body))?)
    }
}

/// The id of the order that an answer tells of.
fn order_id(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    Some(answer["order"]["order_id"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_order() {
        let body = br#"{"order":{"order_id":"77","owner":"x"},"reports":[],"sequence":"9"}"#;
        assert_eq!(order_id(body).as_deref(), Some("77"));
        assert_eq!(order_id(b"{}"), None);
    }
}
