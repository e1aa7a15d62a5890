//! `ConsumerConfig` of Kafka 4.4: every name, in the order of importance, and what it does here.
use super::rules::Kind::{Any, Boolean, Number};
use super::rules::Rule::{
    self, Assignors, Bytes, Choice, Flag, Ignored, Inert, Millis, Only, OptionalText, Secret, Text, Unset,
};
use nanokafka::{GroupProtocol, LargeRecords, OffsetReset};

const METRICS: &str = "there are no metrics";
const BUFFERS: &str = "the kernel tunes the buffers of its sockets";
const BOOTSTRAP: &str = "the bootstrap list stays in use";
const SHARE: &str = "share groups are not supported";
const PROVIDERS: &str = "values are taken as they stand there";
const TLS: &str = "TLS is not supported";
const SASL: &str = "SASL is not supported";

/// With Java's default.
const fn tls(default: &'static str) -> Rule {
    Unset(default, TLS)
}

/// With Java's default.
const fn sasl(default: &'static str) -> Rule {
    Unset(default, SASL)
}

/// A name that ends in a dot stands for all that begin like it.
#[rustfmt::skip] // a table
pub(super) static KEYS: &[(&str, Rule)] = &[
    ("bootstrap.servers", Text(|t| &mut t.bootstrap_servers)),
    ("group.id", Text(|t| &mut t.group_id)),
    ("group.protocol", Choice(&[
        ("classic", |c| c.group_protocol = GroupProtocol::Classic),
        ("consumer", |c| c.group_protocol = GroupProtocol::Consumer),
        ("auto", |c| c.group_protocol = GroupProtocol::Auto),
    ])),
    ("group.remote.assignor", OptionalText(|t| &mut t.group_remote_assignor)),
    ("group.instance.id", Text(|t| &mut t.group_instance_id)),
    ("client.id", OptionalText(|t| &mut t.client_id)),
    ("client.rack", Text(|t| &mut t.client_rack)),
    ("session.timeout.ms", Millis(|c| &mut c.session_timeout)),
    ("heartbeat.interval.ms", Millis(|c| &mut c.heartbeat_interval)),
    ("max.poll.interval.ms", Millis(|c| &mut c.max_poll_interval)),
    ("enable.auto.commit", Flag(|c| &mut c.enable_auto_commit)),
    ("auto.commit.interval.ms", Millis(|c| &mut c.auto_commit_interval)),
    ("nanokafka.auto.commit.marks", Flag(|c| &mut c.auto_commit_marks)),
    ("auto.offset.reset", Choice(&[
        ("earliest", |c| c.auto_offset_reset = OffsetReset::Earliest),
        ("latest", |c| c.auto_offset_reset = OffsetReset::Latest),
        ("none", |c| c.auto_offset_reset = OffsetReset::None),
    ])),
    ("fetch.min.bytes", Bytes(1, |c| &mut c.fetch_min_bytes)),
    ("fetch.max.bytes", Bytes(0, |c| &mut c.fetch_max_bytes)),
    ("max.partition.fetch.bytes", Bytes(0, |c| &mut c.max_partition_fetch_bytes)),
    ("fetch.max.wait.ms", Millis(|c| &mut c.fetch_max_wait)),
    ("check.crcs", Flag(|c| &mut c.check_crcs)),
    ("nanokafka.large.records", Choice(&[
        ("stream", |c| c.large_records = LargeRecords::Stream),
        ("skip", |c| c.large_records = LargeRecords::Skip),
        ("error", |c| c.large_records = LargeRecords::Error),
    ])),
    ("request.timeout.ms", Millis(|c| &mut c.request_timeout)),
    ("default.api.timeout.ms", Millis(|c| &mut c.default_api_timeout)),
    ("retry.backoff.ms", Millis(|c| &mut c.retry_backoff)),
    ("retry.backoff.max.ms", Millis(|c| &mut c.retry_backoff_max)),
    ("reconnect.backoff.ms", Millis(|c| &mut c.reconnect_backoff)),
    ("reconnect.backoff.max.ms", Millis(|c| &mut c.reconnect_backoff_max)),
    ("socket.connection.setup.timeout.ms", Millis(|c| &mut c.socket_connection_setup_timeout)),
    ("metadata.max.age.ms", Millis(|c| &mut c.metadata_max_age)),
    ("allow.auto.create.topics", Flag(|c| &mut c.allow_auto_create_topics)),
    ("partition.assignment.strategy", Assignors),

    ("isolation.level", Only(&["read_uncommitted"], "aborted records are not filtered")),
    ("interceptor.classes", Unset("", "there are no interceptors")),
    ("client.dns.lookup", Only(&["use_all_dns_ips"], "all addresses of a name are tried")),
    ("metadata.recovery.strategy", Inert(Any, &["rebootstrap"], BOOTSTRAP)),
    ("share.acknowledgement.mode", Only(&["implicit"], SHARE)),
    ("share.acquire.mode", Only(&["batch_optimized"], SHARE)),
    ("config.providers", Unset("", PROVIDERS)),

    ("key.deserializer", Ignored),
    ("value.deserializer", Ignored),
    ("max.poll.records", Inert(Number(1), &["500"], "records are lent one by one, as many as the window holds")),
    ("exclude.internal.topics", Inert(Boolean, &["true"], "a pattern is the broker's to match")),
    ("send.buffer.bytes", Inert(Number(-1), &["131072", "-1"], BUFFERS)),
    ("receive.buffer.bytes", Inert(Number(-1), &["65536", "-1"], BUFFERS)),
    ("connections.max.idle.ms", Inert(Number(i64::MIN), &["540000"], "idle connections are closed by the broker")),
    ("socket.connection.setup.timeout.max.ms", Inert(Number(0), &["30000"], "the timeout does not grow")),
    ("metadata.recovery.rebootstrap.trigger.ms", Inert(Number(0), &["300000"], BOOTSTRAP)),
    ("metadata.cluster.check.enable", Inert(Boolean, &["false"], "the ids of clusters are not compared")),
    ("bootstrap.resolve.timeout.ms", Inert(Number(0), &["0"], "names are resolved anew with each connection")),
    ("enable.metrics.push", Inert(Boolean, &["true", "false"], METRICS)),
    ("metric.reporters", Inert(Any, &["", "org.apache.kafka.common.metrics.JmxReporter"], METRICS)),
    ("metrics.num.samples", Inert(Number(1), &["2"], METRICS)),
    ("metrics.recording.level", Inert(Any, &["INFO"], METRICS)),
    ("metrics.sample.window.ms", Inert(Number(0), &["30000"], METRICS)),
    ("metrics.context.", Inert(Any, &[], METRICS)),
    ("config.providers.", Inert(Any, &[], PROVIDERS)),
    ("internal.", Inert(Any, &[], "it is internal to the Java client")),

    ("security.protocol", Only(&["PLAINTEXT"], "TLS and SASL are not supported")),
    ("security.providers", tls("")),
    ("ssl.cipher.suites", tls("")),
    ("ssl.enabled.protocols", tls("TLSv1.2,TLSv1.3")),
    ("ssl.endpoint.identification.algorithm", tls("https")),
    ("ssl.engine.factory.class", tls("")),
    ("ssl.key.password", Secret(TLS)),
    ("ssl.keymanager.algorithm", tls("SunX509")),
    ("ssl.keystore.certificate.chain", Secret(TLS)),
    ("ssl.keystore.key", Secret(TLS)),
    ("ssl.keystore.location", tls("")),
    ("ssl.keystore.password", Secret(TLS)),
    ("ssl.keystore.type", tls("JKS")),
    ("ssl.protocol", tls("TLSv1.3")),
    ("ssl.provider", tls("")),
    ("ssl.secure.random.implementation", tls("")),
    ("ssl.trustmanager.algorithm", tls("PKIX")),
    ("ssl.truststore.certificates", Secret(TLS)),
    ("ssl.truststore.location", tls("")),
    ("ssl.truststore.password", Secret(TLS)),
    ("ssl.truststore.type", tls("JKS")),
    ("sasl.client.callback.handler.class", sasl("")),
    ("sasl.jaas.config", Secret(SASL)),
    ("sasl.kerberos.kinit.cmd", sasl("/usr/bin/kinit")),
    ("sasl.kerberos.min.time.before.relogin", sasl("60000")),
    ("sasl.kerberos.service.name", sasl("")),
    ("sasl.kerberos.ticket.renew.jitter", sasl("0.05")),
    ("sasl.kerberos.ticket.renew.window.factor", sasl("0.8")),
    ("sasl.login.callback.handler.class", sasl("")),
    ("sasl.login.class", sasl("")),
    ("sasl.login.connect.timeout.ms", sasl("")),
    ("sasl.login.read.timeout.ms", sasl("")),
    ("sasl.login.refresh.buffer.seconds", sasl("300")),
    ("sasl.login.refresh.min.period.seconds", sasl("60")),
    ("sasl.login.refresh.window.factor", sasl("0.8")),
    ("sasl.login.refresh.window.jitter", sasl("0.05")),
    ("sasl.login.retry.backoff.max.ms", sasl("10000")),
    ("sasl.login.retry.backoff.ms", sasl("100")),
    ("sasl.mechanism", sasl("GSSAPI")),
    ("sasl.oauthbearer.allow.unverified.audience", sasl("false")),
    ("sasl.oauthbearer.allow.unverified.issuer", sasl("false")),
    ("sasl.oauthbearer.assertion.algorithm", sasl("RS256")),
    ("sasl.oauthbearer.assertion.claim.aud", sasl("")),
    ("sasl.oauthbearer.assertion.claim.exp.seconds", sasl("300")),
    ("sasl.oauthbearer.assertion.claim.iss", sasl("")),
    ("sasl.oauthbearer.assertion.claim.jti.include", sasl("false")),
    ("sasl.oauthbearer.assertion.claim.nbf.seconds", sasl("60")),
    ("sasl.oauthbearer.assertion.claim.sub", sasl("")),
    ("sasl.oauthbearer.assertion.file", sasl("")),
    ("sasl.oauthbearer.assertion.private.key.file", sasl("")),
    ("sasl.oauthbearer.assertion.private.key.passphrase", Secret(SASL)),
    ("sasl.oauthbearer.assertion.template.file", sasl("")),
    ("sasl.oauthbearer.client.credentials.client.id", sasl("")),
    ("sasl.oauthbearer.client.credentials.client.secret", Secret(SASL)),
    ("sasl.oauthbearer.clock.skew.seconds", sasl("30")),
    ("sasl.oauthbearer.expected.audience", sasl("")),
    ("sasl.oauthbearer.expected.issuer", sasl("")),
    ("sasl.oauthbearer.header.urlencode", sasl("false")),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", sasl("3600000")),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", sasl("10000")),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", sasl("100")),
    ("sasl.oauthbearer.jwks.endpoint.url", sasl("")),
    ("sasl.oauthbearer.jwt.retriever.class", sasl("org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever")),
    ("sasl.oauthbearer.jwt.validator.class", sasl("org.apache.kafka.common.security.oauthbearer.DefaultJwtValidator")),
    ("sasl.oauthbearer.scope", sasl("")),
    ("sasl.oauthbearer.scope.claim.name", sasl("scope")),
    ("sasl.oauthbearer.sub.claim.name", sasl("sub")),
    ("sasl.oauthbearer.token.endpoint.url", sasl("")),
];
