//! The files that pages link to, compiled in, and the version that makes their addresses cacheable for ever.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The stylesheet of all pages.
pub const STYLESHEET: &str = include_str!("../../../static/app.css");

/// What keeps pages up to date.
pub const SCRIPT: &str = include_str!("../../../static/live.js");

macro_rules! icon {
    ($name:literal) => {
        (
            $name,
            "image/svg+xml",
            include_bytes!(concat!("../../../static/", $name)).as_slice(),
        )
    };
}

type Asset = (&'static str, &'static str, &'static [u8]);

const ASSETS: &[Asset] = &[
    ("app.css", "text/css; charset=utf-8", STYLESHEET.as_bytes()),
    (
        "live.js",
        "text/javascript; charset=utf-8",
        SCRIPT.as_bytes(),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../static/page.js"),
    ),
    (
        "theme.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../static/theme.js"),
    ),
    (
        "logs.js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../../static/logs.js"),
    ),
    icon!("icon.svg"),
    icon!("icon-ok.svg"),
    icon!("icon-busy.svg"),
    icon!("icon-warn.svg"),
    icon!("icon-bad.svg"),
];

/// Everything under `/static/`: name, content type, bytes.
#[must_use]
pub fn assets() -> &'static [(&'static str, &'static str, &'static [u8])] {
    ASSETS
}

/// The `?v=` with which pages link assets: it changes exactly when one of them does.
#[must_use]
pub fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        let mut sha = Sha256::new();
        for (_, _, bytes) in assets() {
            sha.update(bytes);
        }
        hex::encode(&sha.finalize()[..6])
    });
    &VERSION
}
