//! Functions and an S3 server, and the program that is tested.

use std::path::Path;
use std::process::{Output, Stdio};

use local::dataset;
use local::functions::{Functions, Setup};
use local::s3::{Headers, Object, Server};
use local::tools;
use local::workspace::{Profile, build_functions};
use tempfile::TempDir;
use tokio::process::Command;

const PARAMETERS: [(&str, &str); 2] = [("SourceBucket", "photos"), ("DestinationBucket", "photos-out")];

/// Functions and an S3 server with photos and junk.
pub struct Cloud {
    pub server: Server,
    pub functions: Functions,
    pub folder: TempDir,
}

impl Cloud {
    pub async fn start() -> Self {
        let server = Server::start(0).await.unwrap();
        server.store.create_bucket("photos-out");
        let photo = dataset::photo(0).unwrap();
        let junk: &[u8] = b"this is a text, whatever its name says";
        for (key, body) in [
            ("a.jpg", &photo[..]),
            ("b.jpg", &photo[..]),
            ("text.jpg", junk),
            ("empty.jpg", b""),
            ("notes.txt", junk),
            ("folder/", b""),
            ("evil\u{1b}[31m\u{202e}.txt", junk),
        ] {
            let object = Object::new(body.to_vec().into(), Headers::default());
            server.store.load("photos", &format!("in/{key}"), object);
        }
        let folder = tempfile::tempdir().unwrap();
        build_functions(Profile::Dev).await.unwrap();
        let cargo_lambda = tools::cargo_lambda().await.unwrap();
        let setup = Setup {
            cargo_lambda: &cargo_lambda,
            profile: Profile::Dev,
            processes: 2,
            environment: &[],
            logs: folder.path(),
        };
        let functions = setup.start(&server, &PARAMETERS).await.unwrap();
        Self {
            server,
            functions,
            folder,
        }
    }

    /// Runs a command, given as words.
    pub async fn job(&self, words: &str) -> Run {
        let destination = "s3://photos-out/";
        let url = self.functions.fanout.endpoint();
        let words = format!("{words} --local={url} --destination {destination}");
        run(&words, &self.server.environment(), self.folder.path()).await
    }
}

pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program with an environment of its own.
pub fn command(words: &str, environment: &[(&str, String)], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_s3-exif-job"));
    command
        .args(words.split(' '))
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub async fn run(words: &str, environment: &[(&str, String)], folder: &Path) -> Run {
    command(words, environment, folder).output().await.unwrap().into()
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let Output { status, stdout, stderr } = output;
        Self {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Run {
    #[track_caller]
    pub fn has(&self, code: i32, parts: &[&str]) {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for part in parts {
            assert!(all.contains(part), "{part:?} is missing:\n{all}");
        }
        assert!(
            !all.chars().any(|character| character.is_control() && character != '\n'),
            "{all:?}"
        );
    }
}
