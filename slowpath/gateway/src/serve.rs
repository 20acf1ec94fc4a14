//! Listens, with TLS or without, within limits.

use crate::address::Client;
use crate::connections::{Doorman, Peer};
use crate::http1::Http1Acceptor;
use crate::parameters::{self, Parameters};
use crate::problem::Problem;
use crate::state::App;
use crate::{api, measures, timeout, ws};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server};
use rustls::ServerConfig;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use topology::Config;
use utoipa_swagger_ui::SwaggerUi;

/// Time between two looks at the files of certificate and key.
const LOOK: Duration = Duration::from_secs(5);
/// How long connections have to end when the server stops.
const GRACE: Duration = Duration::from_secs(2);

/// How long a new connection has for TLS, and again for its first request's head.
const FIRST_REQUEST: Duration = Duration::from_secs(5);
/// Longest head of a request, bytes, and what a connection may have sent that was not taken yet.
const MAX_HEAD: usize = 32 << 10;
/// How long a connection may be idle before the next request's head has come.
const NEXT_REQUEST: Duration = Duration::from_secs(30);
/// How long nothing may move on a connection, WebSockets and answers that nobody reads included.
const SILENCE: Duration = Duration::from_secs(75);

/// All of it as one service.
pub(crate) fn router(app: &App) -> Router {
    let (api, description) = api::routes().split_for_parts();
    let body = app.config.max_body_kib << 10;
    let parameters = Parameters::of(&description);
    api.layer(middleware::from_fn_with_state(
        parameters,
        parameters::known_only,
    ))
    .route("/", get(async || Redirect::temporary("/docs/")))
    .route("/health", get(api::system::health))
    .route("/ready", get(api::system::ready))
    .merge(SwaggerUi::new("/docs").url("/api/v1/openapi.json", description))
    .fallback(no_such_path)
    .method_not_allowed_fallback(no_such_method)
    .layer(middleware::from_fn_with_state(app.clone(), timeout::within))
    .route("/api/v1/ws", any(ws::upgrade))
    .route("/ws", any(ws::upgrade))
    .layer(DefaultBodyLimit::max(body))
    .layer(middleware::from_fn_with_state(app.clone(), count_request))
    .layer(middleware::map_response(as_problem))
    .layer(middleware::from_fn_with_state(
        app.clone(),
        measures::observe,
    ))
    .with_state(app.clone())
}

async fn no_such_path() -> Problem {
    Problem::not_found("such path:", "see /docs for all of them")
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "This path has no such method",
        "see /docs for the methods of each path",
    )
}

/// Counts a request against its address's budget.
async fn count_request(
    State(app): State<App>,
    Client(address): Client,
    request: Request,
    next: Next,
) -> Response {
    match app.limits.request(address) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What layers of others answer becomes a problem too, and nothing is cached or sniffed.
async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_text = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let mut response = if (status.is_client_error() || status.is_server_error()) && is_text {
        let (code, title) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "The body is too large"),
            StatusCode::UPGRADE_REQUIRED => ("upgrade-required", "This is a WebSocket"),
            _ => ("refused", "The request was refused"),
        };
        Problem::new(status, code, title, "see /docs").into_response()
    } else {
        response
    };
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Serves a few clients at a time on a listener of its own, without TLS, until the process ends; silent ones make
/// room for others.
///
/// # Errors
/// If the listener fails.
pub async fn serve_few(listener: TcpListener, service: Router, most: usize) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let doorman = Doorman::of_few(listener, most, NEXT_REQUEST + FIRST_REQUEST)?;
    let mut server = Server::<Peer>::from_listener(doorman).first_request_timeout(FIRST_REQUEST);
    let http = server.http_builder();
    http.http1()
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(MAX_HEAD);
    let server = server.map(Http1Acceptor);
    server.serve(service.into_make_service()).await
}

/// Certificate and key.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// Those that a configuration names.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let gateway = &config.gateway;
        let (cert, key) = gateway.tls_cert.as_ref().zip(gateway.tls_key.as_ref())?;
        Some(Self {
            cert: config.beside(cert),
            key: config.beside(key),
        })
    }

    /// Whether they can be used.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (key, path, advice) in [
            ("tls_cert", &self.cert, "a certificate chain"),
            ("tls_key", &self.key, "its private key"),
        ] {
            std::fs::read(path).map_err(|error| {
                format!(
                    "gateway.{key}: cannot read {}: {error}; name a file with {advice} (PEM) that this user may read",
                    path.display()
                )
            })?;
        }
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.build().map_err(|error| error.to_string())?;
        runtime.block_on(self.load()).map(drop).map_err(|error| {
            format!(
                "gateway.tls_cert: {} and {} cannot be used: {error}; name a certificate chain and its private key (PEM)",
                self.cert.display(),
                self.key.display()
            )
        })
    }

    /// When they changed last.
    fn changed(&self) -> Option<(SystemTime, SystemTime)> {
        let when = |path: &PathBuf| {
            path.metadata()
                .and_then(|metadata| metadata.modified())
                .ok()
        };
        Some((when(&self.cert)?, when(&self.key)?))
    }

    /// As they are now.
    async fn load(&self) -> std::io::Result<Arc<ServerConfig>> {
        // Somebody else in the process may have chosen it already.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let loaded = RustlsConfig::from_pem_file(&self.cert, &self.key).await?;
        let mut config = ServerConfig::clone(&loaded.get_inner());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Serves until `stop` says so.
pub(crate) async fn serve(
    app: App,
    listener: TcpListener,
    tls: Option<TlsFiles>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    let stopping = handle.clone();
    tokio::spawn(async move {
        stop.await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    let service = router(&app).into_make_service_with_connect_info::<Peer>();
    let silence = SILENCE.max(Duration::from_millis(app.config.request_timeout_ms) + FIRST_REQUEST);
    let doorman = Doorman::new(listener, &app.config, silence)?;
    let mut server = Server::<Peer>::from_listener(doorman)
        .handle(handle)
        .first_request_timeout(FIRST_REQUEST);
    let http = server.http_builder();
    http.http1()
        .header_read_timeout(NEXT_REQUEST)
        .max_buf_size(MAX_HEAD);
    match tls {
        None => server.map(Http1Acceptor).serve(service).await,
        Some(files) => {
            let config = RustlsConfig::from_config(files.load().await?);
            tokio::spawn(reload(config.clone(), files));
            let acceptor = RustlsAcceptor::new(config).handshake_timeout(FIRST_REQUEST);
            let server = server.acceptor(Http1Acceptor(acceptor));
            server.serve(service).await
        }
    }
}

/// Takes over new files of certificate and key. Files that do not fit are left alone and said.
async fn reload(config: RustlsConfig, files: TlsFiles) {
    let mut known = files.changed();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = files.changed();
        if now.is_none() || now == known {
            continue;
        }
        known = now;
        match files.load().await {
            Ok(new) => {
                config.reload_from_config(new);
                tracing::info!("took over new certificate and key");
            }
            Err(error) => {
                tracing::warn!(%error, "new certificate and key do not fit: the old ones stay");
            }
        }
    }
}
