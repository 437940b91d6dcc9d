//! Every codec of the allow list, in chunks; several sounds; words.

use videocloud_protocol::rendition::{AudioCodec, AudioSettings, RenditionSettings, VideoCodec};
use videocloud_transcoder::run;

use super::clips::{driver, ffmpeg, ffprobe, greys, options, small, tone};
use super::seen;

fn with(name: &str, video: VideoCodec, audio: AudioCodec, preset: u8) -> RenditionSettings {
    let settings = small(name);
    let audio = settings.audio.map(|sound| AudioSettings { codec: audio, ..sound });
    RenditionSettings { video, audio, preset, ..settings }
}

#[tokio::test]
async fn every_codec_is_exact_over_chunk_borders() {
    let folder = tempfile::tempdir().unwrap();
    let encode = "-c:v libx264 -preset veryfast -qp 8 -g 40 -bf 2 -threads 1 -c:a aac";
    ffmpeg(folder.path(), &format!("{} {} {encode} source.mp4", greys("128x72", "25", 7), tone(7)));
    let source = folder.path().join("source.mp4");
    let settings = vec![
        with("hevc", VideoCodec::Hevc, AudioCodec::Aac, 9),
        with("av1", VideoCodec::Av1, AudioCodec::Opus, 9),
        with("vp9", VideoCodec::Vp9, AudioCodec::Opus, 9),
        with("phone", VideoCodec::H264Baseline, AudioCodec::Aac, 9),
    ];
    let report = run::run(&driver(), &options(source.clone(), folder.path(), 2, settings)).await.unwrap();
    assert_eq!(report.chunks.len(), 4);
    let greys = seen::greys(&source);
    for (name, video, audio) in
        [("hevc", "hevc", "aac"), ("av1", "av1", "opus"), ("vp9", "vp9", "opus"), ("phone", "h264", "aac")]
    {
        let made = folder.path().join(format!("out/{name}.mp4"));
        let codecs = ffprobe(&made, "-show_entries stream=codec_name -of csv=p=0");
        assert_eq!(codecs.split_whitespace().collect::<Vec<_>>(), [video, audio], "{name}");
        assert_eq!(seen::ticks(&made), seen::ticks(&source), "{name}");
        seen::assert_same_frames(&greys, &seen::greys(&made), name);
        assert!(seen::first_sound(&made) < 0.04, "{name}");
    }
}

#[tokio::test]
async fn high_dynamic_range_is_mapped_unless_it_is_to_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    // From black to 10,000 cd/m2 in PQ code values.
    let ramp = "-f lavfi -i color=s=128x72:r=25:d=4,format=yuv420p,geq=lum='16+N*2':cb=128:cr=128";
    let tags = "-x264-params colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
    ffmpeg(folder.path(), &format!("{ramp} -c:v libx264 -preset ultrafast -qp 0 -threads 1 {tags} source.mp4"));
    let source = folder.path().join("source.mp4");
    let kept = RenditionSettings { tone_map: false, ..small("kept") };
    run::run(&driver(), &options(source.clone(), folder.path(), 2, vec![small("mapped"), kept])).await.unwrap();
    let (mapped, kept) = (folder.path().join("out/mapped.mp4"), folder.path().join("out/kept.mp4"));
    let transfer = |file| ffprobe(file, "-show_entries stream=color_transfer -of csv=p=0").trim().to_owned();
    assert_eq!((transfer(&mapped), transfer(&kept)), ("bt709".to_owned(), "smpte2084".to_owned()));
    seen::assert_same_frames(&seen::greys(&source), &seen::greys(&kept), "kept");
    let greys = seen::greys(&mapped);
    // Darker shadows, rolled-off highlights: never clipped, never falling by more than the encoder's error.
    assert!(greys[30] < 70 && greys[99] > 200 && greys[99] < 236, "{greys:?}");
    assert!(greys.windows(2).all(|pair| i16::from(pair[1]) >= i16::from(pair[0]) - 3), "{greys:?}");
    assert!(greys[99] > greys[85], "clipped: {greys:?}");
}

#[tokio::test]
async fn every_sound_and_every_text_keeps_its_language() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("words.srt"), "1\n00:00:01,000 --> 00:00:02,500\nGrüße <i>aus</i> Köln\n\n")
        .unwrap();
    let picture = greys("128x72", "25", 4);
    let inputs = format!("{picture} {} {} -i words.srt", tone(4), tone(4));
    ffmpeg(
        folder.path(),
        &format!(
            "{inputs} -map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset ultrafast -threads 1 -c:a aac -c:s srt \
         -metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:s:0 language=deu source.mkv"
        ),
    );
    let settings = RenditionSettings { captions: true, ..small("small") };
    let source = folder.path().join("source.mkv");
    run::run(&driver(), &options(source, folder.path(), 2, vec![settings])).await.unwrap();
    let master = std::fs::read_to_string(folder.path().join("out/hls/master.m3u8")).unwrap();
    for line in ["LANGUAGE=\"eng\"", "LANGUAGE=\"deu\"", "TYPE=SUBTITLES"] {
        assert!(master.contains(line), "{line}: {master}");
    }
    let mpd = std::fs::read_to_string(folder.path().join("out/dash/manifest.mpd")).unwrap();
    for words in ["audio/mp4\" lang=\"eng\"", "audio/mp4\" lang=\"deu\"", "text/vtt\" lang=\"deu\""] {
        assert!(mpd.contains(words), "{words}: {mpd}");
    }
    let words = std::fs::read_to_string(folder.path().join("out/small/captions-1.vtt")).unwrap();
    assert!(words.starts_with("WEBVTT") && words.contains("00:01.000 --> 00:02.500\nGrüße <i>aus</i> Köln"), "{words}");
    let streams = ffprobe(
        &folder.path().join("out/small.mp4"),
        "-show_entries stream=codec_type:stream_tags=language -of csv=p=0",
    );
    assert!(streams.contains("audio,eng") && streams.contains("audio,deu"), "{streams}");
}

/// Integrated loudness of the first sound, LUFS.
fn loudness(file: &std::path::Path) -> f64 {
    let mut command = std::process::Command::new(super::clips::tools().ffmpeg);
    command.args(["-nostdin", "-nostats", "-i"]).arg(file);
    let done = command.args(["-map", "0:a:0", "-af", "ebur128", "-f", "null", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let summary = said.rsplit_once("Integrated loudness:").expect("no summary").1;
    summary.split_once("I:").unwrap().1.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn loudness_is_as_wanted() {
    let folder = tempfile::tempdir().unwrap();
    ffmpeg(folder.path(), &format!("{} -af volume=-14dB -c:a flac source.mkv", tone(12)));
    let source = folder.path().join("source.mkv");
    let with = |name: &str, loudness: Option<i32>| {
        let settings = small(name);
        let audio = settings.audio.map(|audio| AudioSettings { loudness_decilufs: loudness, ..audio });
        RenditionSettings { audio, ..settings }
    };
    let settings = vec![with("as-it-is", None), with("louder", Some(-160))];
    run::run(&driver(), &options(source.clone(), folder.path(), 0, settings)).await.unwrap();
    let (given, kept) = (loudness(&source), loudness(&folder.path().join("out/as-it-is.mp4")));
    assert!((given - kept).abs() < 1.0 && given < -30.0, "{given} {kept}");
    let louder = loudness(&folder.path().join("out/louder.mp4"));
    assert!((louder + 16.0).abs() < 1.5, "{louder}");
}
