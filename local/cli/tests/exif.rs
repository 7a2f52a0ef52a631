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
    // Then comes a line for each format, and one for all.
    assert_eq!(errors.len(), 5, "{errors:?}");
    assert!(
        errors[0].contains("broken.jpg") && errors[1].contains("missing.jpg"),
        "{errors:?}"
    );

    assert!(errors[2].starts_with("jpeg     5 files: 5 requests for "), "{errors:?}");
    assert!(
        errors[3].starts_with("unknown  1 file: 1 request for 4 B"),
        "{errors:?}"
    );
    assert!(errors[4].starts_with("all      6 files: "), "{errors:?}");
}

#[test]
fn a_pretty_record_has_the_same_fields() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.jpg");
    std::fs::write(&file, dataset::photo(0).unwrap()).unwrap();
    let [line] = lines(&exif(&[file.as_ref()])).try_into().unwrap();
    let output = exif(&["--pretty".as_ref(), file.as_ref()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"{\n  \"schema\": 2,\n"));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), line);
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
    assert!(total.starts_with("jpeg     1 file: 1 request for "), "{total}");

    let output = exif(&[
        "--explain".as_ref(),
        "--front-bytes".as_ref(),
        "100".as_ref(),
        file.as_ref(),
    ]);
    assert_eq!(lines(&output)[0]["requests"][0], "0-99");
}

/// The folders with real images and with what ExifTool finds in them, each with its scorer. Without any, a message says so.
fn corpora() -> Vec<(PathBuf, &'static str)> {
    let corpora = [("EXIF_CORPUS", "compare.py"), ("EXIF_CORPUS_MORE", "compare_more.py")].map(|(variable, scorer)| {
        let corpus = std::env::var_os(variable);
        if corpus.is_none() {
            // Not `eprintln`: the test harness hides its output when the test passes.
            let message = format!("skipped: {variable} does not name a folder with real images\n");
            std::io::stderr().write_all(message.as_bytes()).unwrap();
        }
        Some((PathBuf::from(corpus?), scorer))
    });
    corpora.into_iter().flatten().collect()
}

#[test]
fn real_images_agree_with_exiftool() {
    for (corpus, scorer) in corpora() {
        let output = exif(&[corpus.join("images").as_ref()]);
        assert_eq!(output.status.code(), Some(0));
        let records = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(records.path(), &output.stdout).unwrap();
        let mut compare = Command::new("python3");
        compare
            .arg(corpus.join(scorer))
            .args([&corpus.join("expected.jsonl"), records.path()]);
        if scorer == "compare_more.py" {
            compare.args(["--min-percent", "100"]);
        }
        let compared = compare.output().unwrap();
        let said = String::from_utf8_lossy(&compared.stdout);
        assert!(
            compared.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&compared.stderr)
        );
        println!("{said}");
    }
}

#[test]
fn real_images_need_few_requests() {
    let mut lines_of_all = Vec::new();
    for (corpus, _) in corpora() {
        lines_of_all.extend(lines(&exif(&["--explain".as_ref(), corpus.join("images").as_ref()])));
    }
    let mut jpegs = (0, 0);
    for line in &lines_of_all {
        let requests = line["requests"].as_array().unwrap().len();
        let (format, name) = (
            line["format"].as_str().unwrap(),
            Path::new(line["key"].as_str().unwrap()),
        );
        let most = match format {
            "tiff" => 6,
            "cr3" | "raf" | "orf" | "rw2" | "psd" => 1,
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
