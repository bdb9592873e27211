//! The shapes of app and group bodies, as Marathon 1.8 reads them.

use super::id::is_well_formed;
use super::schema::{AMOUNT, COUNT, Field, Kind, TEXT, TEXTS, WORDS, may, must};

const ID: Kind = Kind::Text {
    min: 1,
    form: is_well_formed,
};
const RATIO: Kind = Kind::Number { min: 0.0, max: 1.0 };

/// A new or completely replaced app.
pub static APP: Kind = Kind::Object(&APP_FIELDS);
/// A partial update of an app.
pub static APP_UPDATE: Kind = Kind::Object(&UPDATE_FIELDS);
/// A group, created or updated.
pub static GROUP: Kind = Kind::Object(&GROUP_FIELDS);

static APP_FIELDS: [Field; 41] = app_fields(true);
static UPDATE_FIELDS: [Field; 41] = app_fields(false);

const fn app_fields(id_required: bool) -> [Field; 41] {
    [
        Field {
            name: "id",
            kind: ID,
            required: id_required,
        },
        may("acceptedResourceRoles", TEXTS),
        may("args", TEXTS),
        may(
            "backoffFactor",
            Kind::Number {
                min: 1.0,
                max: f64::MAX,
            },
        ),
        may("backoffSeconds", COUNT),
        may("cmd", WORDS),
        may("constraints", Kind::List(&Kind::List(&TEXT))),
        may("container", Kind::Object(&CONTAINER)),
        may("cpus", AMOUNT),
        may("check", Kind::Free),
        may("dependencies", TEXTS),
        may("disk", AMOUNT),
        may("env", Kind::Map(&Kind::EnvValue)),
        may("executor", TEXT),
        may("fetch", Kind::List(&A_FETCH)),
        may("gpus", COUNT),
        may("healthChecks", Kind::List(&A_HEALTH)),
        may("instances", COUNT),
        may("ipAddress", Kind::Free),
        may(
            "killSelection",
            Kind::Choice(&["YOUNGEST_FIRST", "OLDEST_FIRST"]),
        ),
        may("labels", Kind::Map(&TEXT)),
        may("maxLaunchDelaySeconds", COUNT),
        may("mem", AMOUNT),
        may("networks", Kind::List(&A_NETWORK)),
        may("portDefinitions", Kind::List(&A_PORT)),
        may("ports", Kind::List(&COUNT)),
        may("readinessChecks", Kind::List(&A_READINESS)),
        may("requirePorts", Kind::Bool),
        may("residency", Kind::Object(&RESIDENCY)),
        may("resourceLimits", Kind::Free),
        may("secrets", Kind::Map(&Kind::Free)),
        may("storeUrls", TEXTS),
        may("taskKillGracePeriodSeconds", COUNT),
        may("tty", Kind::Bool),
        may("unreachableStrategy", Kind::Free),
        may("upgradeStrategy", Kind::Object(&UPGRADE)),
        may("uris", TEXTS),
        may("user", TEXT),
        may("version", Kind::Date),
        may("versionInfo", Kind::Free),
        may("role", TEXT),
    ]
}

static UPGRADE: [Field; 2] = [
    must("maximumOverCapacity", RATIO),
    must("minimumHealthCapacity", RATIO),
];

static PROTOCOLS: [&str; 8] = [
    "HTTP",
    "HTTPS",
    "TCP",
    "COMMAND",
    "MESOS_HTTP",
    "MESOS_HTTPS",
    "MESOS_TCP",
    "MARATHON_HTTP",
];

static A_HEALTH: Kind = Kind::Object(&HEALTH);
static HEALTH: [Field; 11] = [
    may("command", Kind::Free),
    may("delaySeconds", COUNT),
    may("gracePeriodSeconds", COUNT),
    may("ignoreHttp1xx", Kind::Bool),
    may("intervalSeconds", COUNT),
    may("maxConsecutiveFailures", COUNT),
    may("path", TEXT),
    may("port", COUNT),
    may("portIndex", COUNT),
    may("protocol", Kind::Choice(&PROTOCOLS)),
    may("timeoutSeconds", COUNT),
];

static A_READINESS: Kind = Kind::Object(&READINESS);
static READINESS: [Field; 7] = [
    may("name", TEXT),
    may("protocol", Kind::Choice(&["HTTP", "HTTPS"])),
    may("path", TEXT),
    may("portName", TEXT),
    may("intervalSeconds", COUNT),
    may("timeoutSeconds", COUNT),
    may("httpStatusCodesForReady", Kind::List(&COUNT)),
];

static A_PORT: Kind = Kind::Object(&PORT);
static PORT: [Field; 4] = [
    may("port", COUNT),
    may(
        "name",
        Kind::Text {
            min: 1,
            form: is_port_name,
        },
    ),
    may(
        "protocol",
        Kind::Choice(&["tcp", "udp", "udp,tcp", "tcp,udp"]),
    ),
    may("labels", Kind::Map(&TEXT)),
];

static A_NETWORK: Kind = Kind::Object(&NETWORK);
static NETWORK: [Field; 3] = [
    may("name", TEXT),
    may(
        "mode",
        Kind::Choice(&["host", "container", "container/bridge"]),
    ),
    may("labels", Kind::Map(&TEXT)),
];

static A_FETCH: Kind = Kind::Object(&FETCH);
static FETCH: [Field; 2] = [must("uri", TEXT), may("destPath", TEXT)];

static RESIDENCY: [Field; 2] = [
    may(
        "taskLostBehavior",
        Kind::Choice(&["WAIT_FOREVER", "RELAUNCH_AFTER_TIMEOUT"]),
    ),
    may("relaunchEscalationTimeoutSeconds", COUNT),
];

static CONTAINER: [Field; 4] = [
    may("type", Kind::Choice(&["MESOS", "DOCKER"])),
    may("docker", Kind::Object(&DOCKER)),
    may("volumes", Kind::List(&Kind::Object(&VOLUME))),
    may("portMappings", Kind::List(&Kind::Object(&MAPPING))),
];

static DOCKER: [Field; 4] = [
    must("image", WORDS),
    may("network", Kind::Choice(&["BRIDGE", "HOST", "NONE", "USER"])),
    may("parameters", Kind::List(&Kind::Object(&PARAMETER))),
    may("portMappings", Kind::List(&Kind::Object(&MAPPING))),
];

static PARAMETER: [Field; 2] = [must("key", WORDS), must("value", TEXT)];

static MAPPING: [Field; 4] = [
    may("containerPort", COUNT),
    may("hostPort", COUNT),
    may("servicePort", COUNT),
    may("protocol", TEXT),
];

static VOLUME: [Field; 2] = [
    must("mode", Kind::Choice(&["RO", "RW"])),
    must("containerPath", WORDS),
];

static GROUP_FIELDS: [Field; 6] = [
    may("id", ID),
    may("apps", Kind::List(&Kind::Object(&APP_FIELDS))),
    may("groups", Kind::List(&GROUP)),
    may("dependencies", TEXTS),
    may("scaleBy", AMOUNT),
    may("version", Kind::Date),
];

fn is_port_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
