//! What an act came to, on the page to which it leads: the address carries a word, and each word has its sentence.

/// The sentence of a word in an address, where it is one of ours.
#[must_use]
pub fn did(query: Option<&str>) -> Option<&'static str> {
    let mut parts = query?.split('&');
    said(parts.find_map(|part| part.strip_prefix("did="))?)
}

/// What a word says.
#[must_use]
pub fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "rollback-queued" => "The rollback is queued; this page follows it.",
        "deploy-queued" | "redeploy-queued" => "The deploy is queued; this page follows it.",
        "resume-queued" => "The branch is followed again; its head is deployed here.",
        "resume-done" => "The branch is followed again; there was nothing to deploy.",
        "unlock-queued" => "Unlocked; the head is deployed here.",
        "unlock-done" => "Unlocked; there was nothing to deploy.",
        "adopt-queued" => "The services are this app's now; this deploys behind what runs.",
        "adopt-done" => "The services are this app's now.",
        "lock-done" => "Locked: nobody deploys until it is unlocked.",
        "scale-done" => {
            "Marathon has the new number of instances; Services shows how they come and go."
        }
        "cancel-done" => "The deploy is being ended.",
        "register-done" => "Registered.",
        "repair-done" => "The webhook is as it should be.",
        "ping-done" => "GitHub was asked to ping; it shows here when it arrives.",
        "remove-done" => "The webhook is removed.",
        "revoke-done" => "Revoked, with its sessions.",
        "end-done" => "Ended.",
        "unchanged" => "Nothing was done: it is so already.",
        "held" => "It is held; this page says why.",
        _ => return None,
    })
}
