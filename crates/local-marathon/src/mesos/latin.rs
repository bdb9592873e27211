//! Bytes of a file in a JSON string, as Mesos writes them since 1.7.
//!
//! Nobody looks whether they are UTF-8: bytes from 0x80 up go out as they are. So a page may cut a character in two, and the answer as a
//! whole need not be UTF-8.

/// `{"data": …, "offset": …}`.
pub fn page(data: &[u8], offset: u64) -> Vec<u8> {
    let mut json = Vec::with_capacity(data.len() + 64);
    json.extend_from_slice(b"{\"data\":\"");
    for byte in data {
        push(&mut json, *byte);
    }
    json.extend_from_slice(format!("\",\"offset\":{offset}}}").as_bytes());
    json
}

fn push(json: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0..0x20 => return json.extend_from_slice(format!("\\u{byte:04X}").as_bytes()),
        _ => return json.push(byte),
    };
    json.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn only_what_json_must_escape_is_escaped() {
        let all: Vec<u8> = (0..=255).collect();
        let json = page(&all, 7);
        // as Latin-1 each byte is a character
        let text: String = json.iter().map(|byte| char::from(*byte)).collect();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        let data = read["data"].as_str().unwrap().chars();
        let back: Vec<u8> = data.map(|c| u8::try_from(c).unwrap()).collect();
        assert_eq!((back, read["offset"].as_u64()), (all, Some(7)));
        assert_eq!(
            page(b"/\x7f\x1b\xc3", 0),
            b"{\"data\":\"/\x7f\\u001B\xc3\",\"offset\":0}"
        );
    }
}
