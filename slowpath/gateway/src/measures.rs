//! What the gateway counts, and the log of its requests.
//!
//! Data: counters of this process. Owner: whoever makes them; there is no registry but theirs. They are figures for
//! operators: nothing decides by them.

use crate::state::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use prometheus::core::Collector as _;
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts};
use std::time::Instant;
use tracing::Instrument as _;

/// By this header an answer names the request in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bounds of the times of requests, seconds.
const SECONDS: [f64; 11] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0,
];

/// Counters of a gateway; cheap to clone, and the same in every clone.
#[derive(Clone)]
pub struct Measures {
    /// Names this process in the requests' ids.
    process: u32,
    requests: IntCounterVec,
    seconds: HistogramVec,
    websockets: IntGauge,
    slow_consumers: IntCounter,
    log_ons: IntCounter,
}

impl Measures {
    /// All at zero.
    ///
    /// # Errors
    /// If a name or the randomness is not to be had.
    pub fn new() -> Result<Self, prometheus::Error> {
        let process =
            getrandom::u32().map_err(|error| prometheus::Error::Msg(error.to_string()))?;
        Ok(Self {
            process,
            requests: IntCounterVec::new(
                Opts::new(
                    "sluice_gateway_requests_total",
                    "Requests that the gateway has answered, by method, route and status.",
                ),
                &["method", "route", "status"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new(
                    "sluice_gateway_request_duration_seconds",
                    "Time from a request's head to its answer's, by route.",
                )
                .buckets(SECONDS.to_vec()),
                &["route"],
            )?,
            websockets: IntGauge::new("sluice_gateway_websockets", "Open WebSocket connections.")?,
            slow_consumers: IntCounter::new(
                "sluice_gateway_slow_consumers_total",
                "WebSocket connections closed because their client fell too far behind.",
            )?,
            log_ons: IntCounter::new(
                "sluice_gateway_log_ons_total",
                "Log-ons with a signed challenge that were let in.",
            )?,
        })
    }

    /// What they are now.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        let Self {
            process: _,
            requests,
            seconds,
            websockets,
            slow_consumers,
            log_ons,
        } = self;
        let families = [
            requests.collect(),
            seconds.collect(),
            websockets.collect(),
            slow_consumers.collect(),
            log_ons.collect(),
        ];
        families.into_iter().flatten().collect()
    }

    /// A WebSocket connection, until this is dropped.
    pub(crate) fn websocket(&self) -> OpenWebSocket {
        self.websockets.inc();
        OpenWebSocket(self.websockets.clone())
    }

    pub(crate) fn slow_consumer(&self) {
        self.slow_consumers.inc();
    }

    pub(crate) fn log_on(&self) {
        self.log_ons.inc();
    }
}

/// A WebSocket connection that counts as open.
pub(crate) struct OpenWebSocket(IntGauge);

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts a request, and gives everything that is logged on its way a span with its id, which the answer has too.
pub(crate) async fn observe(
    State(app): State<App>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let measures = &app.measures;
    // Only what we know: a client must not make up names.
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let method = known(request.method());
    let id = format!("{:08x}-{:08x}", measures.process, fresh());
    let span = tracing::info_span!(target: "gateway", "request", id, method, route);
    let answered = async {
        let response = next.run(request).await;
        let status = response.status().as_u16();
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        // Not to be ready is an answer like any other.
        if response.status().is_server_error() && route != "/ready" {
            tracing::warn!(target: "gateway", status, micros, "answered");
        } else {
            tracing::debug!(target: "gateway", status, micros, "answered");
        }
        response
    };
    let mut response = answered.instrument(span).await;
    let status = response.status();
    measures
        .requests
        .with_label_values(&[method, route, status.as_str()])
        .inc();
    let seconds = start.elapsed().as_secs_f64();
    measures
        .seconds
        .with_label_values(&[route])
        .observe(seconds);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A number for a request's id. It need not be hard to guess.
fn fresh() -> u32 {
    getrandom::u32().unwrap_or_default()
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
