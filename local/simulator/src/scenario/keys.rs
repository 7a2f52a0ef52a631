use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Parts of keys. S3 allows any text of up to 1,024 bytes.
const PARTS: [&str; 17] = [
    "a", "album/", "b c", "été", "😀", "%2F", "+", "//", "..", "&<>", "\u{1}", "=?", "/", "~", "\"'", "日本",
    "\u{FFFD}",
];

/// The ending of keys that the job ignores.
const IGNORED: &str = "txt";

/// Whether the job processes a key, by its name.
pub fn is_image(key: &str) -> bool {
    key.rsplit_once('.').is_none_or(|(_, ending)| ending != IGNORED)
}

/// Distinct keys, in order. Most of them are images.
pub fn keys(random: &mut ChaCha8Rng, count: usize) -> Vec<String> {
    let mut keys: Vec<String> = (0..count)
        .map(|number| {
            let ending = *["jpg", "jpg", "jpg", "jpg", "JPEG", IGNORED]
                .choose(random)
                .expect("it is not empty");
            match random.random_range(0..20) {
                0 => format!("{}{number:03}.{ending}", "long/".repeat(190)),
                1..8 => {
                    let parts = (0..random.random_range(1..5)).map(|_| *PARTS.choose(random).expect("it is not empty"));
                    format!("{}{number:03}.{ending}", parts.collect::<String>())
                }
                _ => format!("{number:03}.{ending}"),
            }
        })
        .collect();
    keys.sort();
    keys
}
