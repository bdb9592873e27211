//! The signature of a webhook body, as GitHub makes it: HMAC-SHA256 over the raw bytes
//! (GitHub docs, "Validating webhook deliveries").

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// Whether `header` (the value of `X-Hub-Signature-256`) signs `body` with one of `secrets`.
///
/// Exactly `sha256=` and 64 hexadecimal digits; an empty secret signs nothing; the comparison takes constant time.
#[must_use]
pub fn verify<'a>(
    secrets: impl IntoIterator<Item = &'a Secret>,
    body: &[u8],
    header: &str,
) -> bool {
    let Some(given) = read(header) else {
        return false;
    };
    secrets.into_iter().any(|secret| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
            return false;
        };
        mac.update(body);
        !secret.expose().is_empty() && mac.verify_slice(&given).is_ok()
    })
}

/// Whether it could be a signature at all.
#[must_use]
pub fn has_form(header: &str) -> bool {
    read(header).is_some()
}

fn read(header: &str) -> Option<[u8; 32]> {
    let digits = header.strip_prefix("sha256=")?;
    let mut given = [0; 32];
    let reads = digits.len() == 64 && hex::decode_to_slice(digits, &mut given).is_ok();
    reads.then_some(given)
}

/// The header value that signs `body`.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn sign(secret: &Secret, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of GitHub's documentation.
    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    const GOOD: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    #[test]
    fn githubs_own_example_verifies() {
        assert!(verify(&[Secret::new(SECRET)], BODY, GOOD));
        assert_eq!(sign(&Secret::new(SECRET), BODY), GOOD);
    }

    #[test]
    fn nothing_else_does() {
        let secret = [Secret::new(SECRET)];
        assert!(!verify(&secret, b"Hello, World?", GOOD));
        assert!(!verify(&[Secret::new("other")], BODY, GOOD));
        assert!(!verify(&secret, BODY, &GOOD.replace("sha256", "sha1")));
        assert!(!verify(&secret, BODY, &GOOD[..70]));
        assert!(!verify(&secret, BODY, ""));
        let empty = [Secret::new("")];
        assert!(!verify(&empty, BODY, &sign(&empty[0], BODY)));
    }
}
