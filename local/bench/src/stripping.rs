//! The same picture without its metadata, in memory, on one thread. It compares our code with other tools. Each removes all
//! metadata that it knows; ours also reads it for the record, and reads the output again.

use std::hint::black_box;
use std::process::ExitCode;

use bytes::Bytes;
use img_parts::jpeg::{Jpeg, markers};
use shared::metadata::read_whole;
use shared::strip::{self, strip_whole};

use crate::parsing::{Options, Parsed, as_table, exiftool, pass, peers, photos};
use crate::{node, photos as sample, python};

pub async fn run(mut options: Options) -> anyhow::Result<ExitCode> {
    if options.paths.is_empty() {
        options.paths.push(sample::of_the_guide()?);
    }
    println!("{}", as_table(&measure(&options).await?));
    Ok(ExitCode::SUCCESS)
}

async fn measure(options: &Options) -> anyhow::Result<Vec<Parsed>> {
    node::install().await?;
    let (files, list) = photos(options)?;
    let passes = options.passes;
    let mut all = vec![
        pass("s3-exif", &files, passes, ours),
        pass("img-parts", &files, passes, img_parts),
    ];
    let programs = vec![python::program("stripping.py"), exiftool("stripping.pl")];
    all.extend(peers(programs, &list, passes).await?);
    Ok(all)
}

/// All that the processor does between the download and the upload.
fn ours(photo: &Bytes) {
    let metadata = read_whole(photo.clone());
    black_box(strip_whole(photo.clone(), &metadata, strip::Options::default())).ok();
}

/// Segments of applications and comments are left out, except those that tell colours and density.
fn img_parts(photo: &Bytes) {
    let Ok(mut jpeg) = Jpeg::from_bytes(photo.clone()) else {
        return;
    };
    let is_kept = |marker: u8| {
        let is_metadata = (markers::APP1..=markers::APP15).contains(&marker) || marker == markers::COM;
        !is_metadata || matches!(marker, markers::APP2 | markers::APP14)
    };
    jpeg.segments_mut().retain(|segment| is_kept(segment.marker()));
    black_box(jpeg.encoder().bytes());
}
