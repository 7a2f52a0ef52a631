//! The rule of the template lets through what processor takes.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use shared::filter::{COMMON_ENDINGS, Names, READ_ENDINGS};
use shared::modes::Images;
use shared::object::Key;

/// The endings that the rule lets through, without regard to case: with `transform`, with `strip`, and with other modes.
fn endings() -> [Vec<&'static str>; 3] {
    let template = include_str!("../../../../template.yaml");
    let lists = template.split("- Transforms\n").nth(1).unwrap();
    let mut lists = lists.split("- key:\n").skip(1).map(|list| {
        let ending = |line: &'static str| {
            line.trim()
                .strip_prefix("- suffix: {equals-ignore-case: ")?
                .strip_suffix('}')
        };
        list.lines().map_while(ending).collect()
    });
    [(); 3].map(|()| lists.next().unwrap())
}

/// A key that often ends like the name of an image.
fn key(rng: &mut ChaCha8Rng) -> String {
    const PARTS: [&str; 12] = ["a", "É", "/", ".", "%2F", " ", "*", "[", "jp", "\u{212a}", "ſ", "😀"];
    let mut key: String = (0..rng.random_range(0..6))
        .map(|_| PARTS[rng.random_range(0..PARTS.len())])
        .collect();
    if rng.random_bool(0.8) {
        key.push('.');
        let endings = [&COMMON_ENDINGS[..], &READ_ENDINGS].concat();
        let ending = endings[rng.random_range(0..endings.len())];
        for character in ending.chars() {
            let upper = rng.random_bool(0.5);
            key.push(if upper {
                character.to_ascii_uppercase()
            } else {
                character
            });
        }
    }
    if rng.random_bool(0.2) {
        key.push_str(PARTS[rng.random_range(0..PARTS.len())]);
    }
    key
}

#[test]
fn the_rule_never_rejects_what_include_takes() {
    for (images, endings) in [Images::Transform, Images::Strip, Images::Copy]
        .into_iter()
        .zip(endings())
    {
        let names = Names::new(None, &[], images).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut taken, mut rejected) = (0, 0);
        for _ in 0..100_000 {
            let key = key(&mut rng);
            let passes = endings.iter().any(|ending| key.to_ascii_lowercase().ends_with(ending));
            let is_taken = names.accept(&Key::from(key.clone()));
            assert!(passes || !is_taken, "{key:?} is taken, and the rule rejects it");
            taken += usize::from(is_taken);
            rejected += usize::from(!passes);
        }
        assert!(taken > 1000 && rejected > 1000, "{taken} {rejected}");
        // Also the other way round: the rule lets no ending through that is never taken.
        for ending in endings {
            assert!(names.accept(&Key::from(format!("a{ending}"))), "{ending}");
        }
    }
}

/// EventBridge takes at most 2,048 characters.
#[test]
fn the_pattern_of_the_rule_is_short_enough() {
    let [.., endings] = endings();
    let keys: Vec<_> = endings
        .iter()
        .map(|ending| json!({"suffix": {"equals-ignore-case": ending}}))
        .collect();
    let pattern = json!({
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": ["b".repeat(63)]}, "object": {"key": keys}},
    });
    let length = pattern.to_string().len();
    assert!((1_500..=2_048).contains(&length), "{length}");
}
