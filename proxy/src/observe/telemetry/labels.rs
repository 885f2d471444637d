//! The values of labels. Nothing that a peer sent ever becomes one, so the number of series is fixed.

/// A label of the proxy's own metrics with its fixed set of values.
pub trait Label: Copy + 'static {
    /// The label's name.
    const NAME: &'static str;

    /// All values.
    const ALL: &'static [Self];

    /// Returns the value as it is exposed.
    fn value(self) -> &'static str;
}

macro_rules! label {
    ($(#[$doc:meta])* $type:ident, $name:literal { $($(#[$variant_doc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl Label for $type {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn value(self) -> &'static str {
                match self {
                    $(Self::$variant => $value,)+
                }
            }
        }
    };
}

label! {
    /// How the scrape of one application ended.
    ScrapeOutcome, "outcome" {
        /// Its metrics are in the answer.
        Success = "success",
        /// It answered, but its answer was useless.
        Error = "error",
        /// Its connection closed before it had answered.
        Closed = "closed",
        /// It had not answered when the round was over.
        Timeout = "timeout",
    }
}

label! {
    /// Why the scrape of one application failed: the reasons of `prometheus_proxy_app_up`.
    FailureReason, "reason" {
        /// Its connection ended during the scrape.
        Closed = "closed",
        /// Its SETUP had not come yet.
        Connecting = "connecting",
        /// Its answer could not be decrypted or decompressed.
        Decrypt = "decrypt",
        /// It answered without metrics.
        Empty = "empty",
        /// Prometheus could not read its text.
        Exposition = "exposition",
        /// It had gone before the scrape.
        Gone = "gone",
        /// No more requests can be sent on its connection.
        NotAsked = "not_asked",
        /// The proxy had neither room nor time to open its answer.
        Overloaded = "overloaded",
        /// It answered with an error.
        Refused = "refused",
        /// It did not answer by the deadline.
        Timeout = "timeout",
        /// Its text is over a limit.
        TooLarge = "too_large",
        /// There is no such application.
        Unknown = "unknown",
        /// The proxy failed while it opened the answer.
        Worker = "worker",
    }
}

label! {
    /// The state of an application in the registry.
    RegistryState, "state" {
        /// Its connection is accepted, and its SETUP has not arrived yet.
        Connecting = "connecting",
        /// It is connected.
        Up = "up",
        /// Its connection has ended, and its grace time has not.
        Gone = "gone",
    }
}

label! {
    /// How a round over all applications ended.
    RoundOutcome, "outcome" {
        /// Every application's metrics are in the answer.
        Complete = "complete",
        /// The metrics of some are missing.
        Partial = "partial",
        /// The scraper went away, or the round broke.
        Aborted = "aborted",
    }
}

label! {
    /// Why a connection was not accepted, or ended early.
    ConnectionErrorCause, "cause" {
        /// The first bytes are not an RSocket frame.
        NotRsocket = "not_rsocket",
        /// SETUP asks for a version that is not supported.
        SetupVersion = "setup_version",
        /// SETUP asks for something that is not served.
        SetupRejected = "setup_rejected",
        /// No SETUP arrived in time.
        SetupTimeout = "setup_timeout",
        /// A frame longer than allowed.
        FrameTooLong = "frame_too_long",
        /// The peer sent nothing for longer than its lifetime.
        KeepaliveTimeout = "keepalive_timeout",
        /// The peer violated the protocol.
        ProtocolViolation = "protocol_violation",
        /// The transport failed.
        Io = "io",
        /// Its PROXY header is missing, malformed or not trusted.
        ProxyHeader = "proxy_header",
        /// The TLS handshake failed.
        Tls = "tls",
        /// The upgrade to WebSocket failed.
        WebSocket = "websocket",
        /// It was not set up yet, and had to make room for another connection.
        Evicted = "evicted",
        /// There are as many connections as allowed.
        TooManyConnections = "too_many_connections",
        /// Others needed the memory that the connection held.
        Memory = "memory",
        /// The application's token is invalid.
        Credentials = "credentials",
        /// The application's credentials are not allowed on its transport.
        CredentialsTransport = "credentials_transport",
        /// The application cannot use the version of the envelope that is required.
        Envelope = "envelope",
        /// The application presents no credentials, and some are required.
        Identity = "identity",
        /// Too many others wait to be admitted.
        AdmissionOverloaded = "admission_overloaded",
        /// Its address has presented wrong credentials too often.
        Throttled = "throttled",
    }
}

label! {
    /// A listener.
    ListenerName, "listener" {
        /// Applications over TCP.
        Tcp = "tcp",
        /// Applications over WebSocket.
        WebSocket = "websocket",
        /// Scrapers.
        Http = "http",
    }
}

label! {
    /// What arrived on a connection from a peer that is neither an application nor a scraper.
    ProbeKind, "kind" {
        /// Nothing: it was opened and closed again.
        Empty = "empty",
        /// An HTTP request, where none is served.
        HttpRequest = "http_request",
        /// An HTTP response.
        HttpResponse = "http_response",
        /// The header of the PROXY protocol.
        ProxyHeader = "proxy_header",
        /// RSocket over another transport.
        Rsocket = "rsocket",
        /// Nothing, or the beginning of something, until the time limit.
        Silent = "silent",
        /// The beginning of SSH.
        Ssh = "ssh",
        /// A TLS alert.
        TlsAlert = "tls_alert",
        /// A TLS ClientHello.
        TlsClientHello = "tls_client_hello",
        /// Something else.
        Unknown = "unknown",
        /// A request for a WebSocket.
        WebSocketUpgrade = "websocket_upgrade",
    }
}

label! {
    /// Why an application's metrics are useless, or did not arrive.
    ApplicationErrorCause, "cause" {
        /// It answered with an error.
        AnswerError = "answer_error",
        /// The attached key could not be unwrapped.
        Unwrap = "unwrap",
        /// The payload could not be decrypted.
        Decrypt = "decrypt",
        /// It has no readable seal of version 2 of the envelope, although that was agreed on.
        Seal = "seal",
        /// It was sealed under a content key that is neither known nor attached.
        UnknownKey = "unknown_key",
        /// It was changed in transit, or sealed for another request, connection or purpose.
        Tampered = "tampered",
        /// It arrived before on the same connection.
        Replayed = "replayed",
        /// The payload could not be decompressed.
        Decompress = "decompress",
        /// More text or series than allowed.
        TooLarge = "too_large",
        /// The text is not UTF-8.
        NotUtf8 = "not_utf8",
        /// The text is not a valid exposition.
        Exposition = "exposition",
        /// The payload lacks the metadata that says how to read it.
        NoMetadata = "no_metadata",
        /// The payload is not encrypted, which is not allowed here.
        PlaintextRefused = "plaintext_refused",
        /// The connection closed first.
        Closed = "closed",
        /// It took too long.
        Timeout = "timeout",
        /// The proxy had no room for the work.
        Overloaded = "overloaded",
        /// The application pushed more than its share.
        OverShare = "over_share",
        /// The application that pushed is not admitted.
        NotAdmitted = "not_admitted",
        /// The push could not be written to disk.
        NotStored = "not_stored",
    }
}

label! {
    /// The interaction by which an application pushed its last metrics.
    PushKind, "kind" {
        /// The application waits for an acknowledgement.
        RequestResponse = "request_response",
        /// The application does not wait.
        FireAndForget = "fire_and_forget",
    }
}

label! {
    /// What became of a push when it arrived.
    PushOutcome, "outcome" {
        /// It is held for the next scrapes.
        Held = "held",
        /// It arrived before, and is held once.
        Repeated = "repeated",
        /// It is useless, or there is no room for it.
        Rejected = "rejected",
    }
}

label! {
    /// Why a push is no longer held.
    PushDropCause, "cause" {
        /// Its application has pushed again.
        Replaced = "replaced",
        /// Another push needed its room, and every scraper seen in the last ten minutes has had it.
        Delivered = "delivered",
        /// Another push needed its room, some scraper has had it, and its application lives on.
        LivesOn = "lives_on",
        /// Another push needed its room, and some scraper has had it.
        PartlyDelivered = "partly_delivered",
        /// Its time to live has run out, and nobody has had it.
        Expired = "expired",
        /// Its time to live has run out, and some scraper has had it.
        ExpiredServed = "expired_served",
    }
}

label! {
    /// How an RSocket interaction ended; names and values are those of the original's meters.
    SignalType, "signal_type" {
        /// With an answer.
        OnComplete = "ON_COMPLETE",
        /// With an error.
        OnError = "ON_ERROR",
        /// Cancelled before it had ended.
        Cancel = "CANCEL",
    }
}

label! {
    /// The paths that the HTTP side serves.
    HttpPath, "path" {
        /// The status page.
        Index = "/",
        /// The same as JSON.
        StatusJson = "/status.json",
        /// The page of one application.
        App = "/app/",
        /// The applications' metrics.
        MetricsConnected = "/metrics/connected",
        /// One application's metrics.
        MetricsApp = "/metrics/app/",
        /// The applications as targets.
        ServiceDiscovery = "/sd",
        /// The proxy's own metrics.
        MetricsProxy = "/metrics/proxy",
        /// Whether the process serves at all.
        Healthy = "/-/healthy",
        /// Whether it should be asked for metrics.
        Ready = "/-/ready",
        /// The original's probes.
        ActuatorHealth = "/actuator/health",
        /// The same, for the process.
        ActuatorLiveness = "/actuator/health/liveness",
        /// The same, for its readiness.
        ActuatorReadiness = "/actuator/health/readiness",
        /// The proxy's own metrics, where the original has them.
        ActuatorPrometheus = "/actuator/prometheus",
        /// Everything else.
        Other = "other",
    }
}

label! {
    /// The status of an HTTP answer.
    HttpCode, "code" {
        /// 200
        Ok = "200",
        /// 400
        BadRequest = "400",
        /// 401
        Unauthorized = "401",
        /// 404
        NotFound = "404",
        /// 405
        MethodNotAllowed = "405",
        /// 429
        TooManyRequests = "429",
        /// 502
        BadGateway = "502",
        /// 503
        Unavailable = "503",
        /// 504
        GatewayTimeout = "504",
    }
}

label! {
    /// Why the proxy ended an HTTP connection.
    HttpClosed, "reason" {
        /// It waited for its next request for too long.
        Idle = "idle",
        /// No request was being answered on it, and another one needed the place.
        IdleEvicted = "idle_evicted",
        /// The head of a request did not come in time.
        SlowHead = "slow_head",
        /// Its peer did not read.
        Stalled = "stalled",
        /// Its peer did not read, and another one needed the place.
        StalledEvicted = "stalled_evicted",
        /// Its peer read too slowly.
        Trickle = "trickle",
    }
}

label! {
    /// Why a scrape was refused or given up.
    ScrapeGivenUp, "reason" {
        /// It waited for applications for longer than usual, and another one needed the room.
        Replaced = "replaced",
        /// There were as many as allowed.
        RefusedFull = "refused_full",
        /// Its address had as many as it may have.
        RefusedShare = "refused_share",
        /// Its scraper did not read, and another one needed the room.
        Stalled = "stalled",
    }
}

label! {
    /// Events by which peers cause log lines.
    LogCause, "cause" {
        /// An application has connected.
        Connected = "connected",
        /// An application shares its identity with another one.
        Duplicate = "duplicate",
        /// An application's connection has ended.
        Gone = "gone",
        /// The hello of an application cannot be read.
        Hello = "hello",
        /// The proxy has ended an HTTP connection.
        HttpClosed = "http_closed",
        /// An application was identified by its metrics.
        Identified = "identified",
        /// An application's connection ended before it was set up.
        NotSetUp = "not_set_up",
        /// Somebody connected who is neither an application nor a scraper.
        Probe = "probe",
        /// Somebody may not scrape.
        HttpUnauthorized = "http_unauthorized",
        /// A push has expired.
        PushExpired = "push_expired",
        /// A push is held.
        PushHeld = "push_held",
        /// A push is not held.
        PushRejected = "push_rejected",
        /// An application can be scraped again.
        Recovered = "recovered",
        /// Part of an application's metrics is left out.
        Report = "report",
        /// A scrape was refused or given up.
        ScrapeGivenUp = "scrape_given_up",
        /// Scrapes of an application have begun to fail.
        ScrapeFailing = "scrape_failing",
        /// An application is not admitted.
        TurnedAway = "turned_away",
        /// An application broke the protocol on one stream.
        Violation = "violation",
    }
}

impl LogCause {
    /// How many lines of this cause a peer may have logged in 10 seconds: enough for the applications of one host, and few of what health
    /// checks cause all the time.
    pub(crate) fn burst(self) -> u32 {
        match self {
            Self::HttpUnauthorized | Self::TurnedAway => 1,
            Self::Probe => 2,
            Self::Violation => 3,
            _ => 10,
        }
    }
}
