//! Runs `cargo local exif` as a user does.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use local::dataset;
use serde_json::Value;

fn exif(arguments: &[&OsStr]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.arg("exif").args(arguments).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn keys(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["key"].as_str().unwrap()).collect()
}

#[test]
fn files_are_printed_in_order_and_unreadable_ones_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("b")).unwrap();
    for (index, name) in ["c.jpg", "b/2.jpg", "b/1.jpg", "a b.jpg"].into_iter().enumerate() {
        std::fs::write(path(name), dataset::photo(index).unwrap()).unwrap();
    }
    std::fs::write(path("d.txt"), "text").unwrap();
    symlink("nowhere", path("b/broken.jpg")).unwrap();

    let output = exif(&[
        folder.path().as_ref(),
        path("a b.jpg").as_ref(),
        path("missing.jpg").as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output);
    let expected = ["a b.jpg", "b/1.jpg", "b/2.jpg", "c.jpg", "d.txt", "a b.jpg"];
    assert_eq!(keys(&lines), expected.map(|name| path(name).display().to_string()));
    assert_eq!(
        (&lines[0]["format"], &lines[4]["format"]),
        (&"jpeg".into(), &"unknown".into())
    );
    assert!(lines[0]["exif"]["make"].is_string());
    let errors = String::from_utf8(output.stderr).unwrap();
    let errors: Vec<&str> = errors.lines().collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].contains("broken.jpg") && errors[1].contains("missing.jpg"),
        "{errors:?}"
    );

    let output = exif(&[path("c.jpg").as_ref()]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn requests_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jpg");
    let photo = dataset::photo(0).unwrap();
    std::fs::write(&file, &photo).unwrap();
    let output = exif(&["--explain".as_ref(), file.as_ref()]);
    let [line] = lines(&output).try_into().unwrap();
    assert_eq!(line["requests"], serde_json::json!([format!("0-{}", photo.len() - 1)]));
    assert_eq!(
        (&line["bytes"], &line["size"]),
        (&photo.len().into(), &photo.len().into())
    );
    let total = String::from_utf8(output.stderr).unwrap();
    assert!(total.starts_with("1 files: 1 requests for "), "{total}");

    let output = exif(&[
        "--explain".as_ref(),
        "--front-bytes".as_ref(),
        "100".as_ref(),
        file.as_ref(),
    ]);
    assert_eq!(lines(&output)[0]["requests"][0], "0-99");
}

/// The folder with real images and with what ExifTool finds in them. If there is none, prints so and returns `None`.
fn corpus() -> Option<PathBuf> {
    let corpus = std::env::var_os("EXIF_CORPUS");
    if corpus.is_none() {
        // Not `eprintln`: the test harness hides its output when the test passes.
        let message = b"skipped: EXIF_CORPUS does not name a folder with real images
";
        std::io::stderr().write_all(message).unwrap();
    }
    corpus.map(PathBuf::from)
}

#[test]
fn real_images_agree_with_exiftool() {
    let Some(corpus) = corpus() else { return };
    let output = exif(&[corpus.join("images").as_ref()]);
    assert_eq!(output.status.code(), Some(0));
    let records = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(records.path(), &output.stdout).unwrap();
    let compared = Command::new("python3")
        .arg(corpus.join("compare.py"))
        .args([&corpus.join("expected.jsonl"), records.path()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&compared.stdout);
    assert!(
        compared.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&compared.stderr)
    );
    println!("{said}");
}

#[test]
fn real_images_need_few_requests() {
    let Some(corpus) = corpus() else { return };
    let lines = lines(&exif(&["--explain".as_ref(), corpus.join("images").as_ref()]));
    let mut jpegs = (0, 0);
    for line in &lines {
        let requests = line["requests"].as_array().unwrap().len();
        let (format, name) = (
            line["format"].as_str().unwrap(),
            Path::new(line["key"].as_str().unwrap()),
        );
        let most = match format {
            "tiff" => 6,
            _ => 3,
        };
        assert!(requests <= most, "{}: {requests}", name.display());
        if format == "jpeg" {
            jpegs.0 += usize::from(requests == 1);
            jpegs.1 += 1;
        }
    }
    assert!(
        jpegs.0 * 100 >= jpegs.1 * 99,
        "only {} of {} JPEG files need one request; 99 % should",
        jpegs.0,
        jpegs.1
    );
}
