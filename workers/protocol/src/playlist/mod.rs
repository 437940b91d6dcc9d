//! HLS and DASH as pure text made from rendition manifests. The edge makes them on the fly, the standalone transcoder on disk.
