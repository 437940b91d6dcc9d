//! The allow lists that ffmpeg and ffprobe get with every input: protocols, demuxers, decoders and sizes.

use std::ffi::OsString;

use super::Container;
use super::limits::{MAX_PIXELS, MAX_STREAMS};

/// Video codecs that may be decoded. Picture formats (PNG, SVG, GIF, WebP …) are not here: they are how image bombs come in.
pub(super) const VIDEO: [&str; 17] = [
    "h264",
    "hevc",
    "av1",
    "vp8",
    "vp9",
    "mpeg4",
    "mpeg2video",
    "mpeg1video",
    "h263",
    "flv1",
    "msmpeg4v3",
    "prores",
    "dnxhd",
    "mjpeg",
    "dvvideo",
    "ffv1",
    "vc1",
];

/// Audio codecs that may be decoded.
pub(super) const AUDIO: [&str; 24] = [
    "aac",
    "mp3",
    "mp2",
    "ac3",
    "eac3",
    "dts",
    "truehd",
    "opus",
    "vorbis",
    "flac",
    "alac",
    "amrnb",
    "amr_nb",
    "wmav2",
    "pcm_s16le",
    "pcm_s16be",
    "pcm_s24le",
    "pcm_s24be",
    "pcm_s32le",
    "pcm_f32le",
    "pcm_u8",
    "pcm_mulaw",
    "pcm_alaw",
    "adpcm_ima_wav",
];

/// Text subtitle codecs that may be read.
pub(super) const TEXT: [&str; 5] = ["subrip", "webvtt", "mov_text", "ass", "text"];

/// Decoders whose name differs from the codec's.
const DECODERS: [&str; 13] = [
    "libvpx",
    "libvpx-vp9",
    "libdav1d",
    "libaom-av1",
    "mp3float",
    "mp2float",
    "dca",
    "flv",
    "msmpeg4",
    "libopus",
    "libvorbis",
    "ssa",
    "srt",
];

/// Which inputs an invocation may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A stranger's file of this container.
    Source(Container),
    /// What we made ourselves (MP4 or Matroska).
    Own,
}

/// Input options that shut every other door. They stand before `-i` and hold for that input.
#[must_use]
pub fn access_args(access: Access) -> Vec<OsString> {
    let formats = match access {
        // The names of a demuxer's list are matched one by one, so "mov" allows mov,mp4,m4a,3gp,3g2,mj2.
        Access::Source(container) => container.demuxer(),
        Access::Own => "mov,matroska",
    };
    let decoders = [&VIDEO[..], &AUDIO[..], &TEXT[..], &DECODERS[..]].concat().join(",");
    [
        "-protocol_whitelist",
        "file,pipe",
        "-format_whitelist",
        formats,
        "-codec_whitelist",
        &decoders,
        "-max_streams",
        &MAX_STREAMS.to_string(),
        "-max_pixels",
        &MAX_PIXELS.to_string(),
    ]
    .map(OsString::from)
    .to_vec()
}
