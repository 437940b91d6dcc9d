//! Links: where content comes from, and where it is served.

use super::text::text_type;

text_type! {
    /// A link content is fetched from. Never carries credentials: see `credentialsSecretRef`.
    SourceUrl, 8..=2048, "Link to the content: http, https, ftp, ftps, magnet or ed2k. A link that ends in .torrent, .metalink or .meta4 is followed.", [
        "self.matches('(?i)^((https?|ftps?)://|magnet:[?]|ed2k://)')" =>
            "url must start with http://, https://, ftp://, ftps://, magnet:? or ed2k://",
        "!self.matches('(?i)^(https?|ftps?)://([/?#:]|$)')" =>
            "url names no host",
        "!self.matches('[\\\\s\\\\x00-\\\\x1f\\\\x7f]')" =>
            "url must not contain spaces or control characters: percent-encode them",
        "!self.matches('(?i)^[a-z0-9]+://[^/?#]*@')" =>
            "url must not contain a user name or password: put them into a Secret and name it in credentialsSecretRef",
        "!self.matches('(?i)^magnet:') || self.matches('(?i)[?&]xt([.][0-9]+)?=urn:(btih|btmh|ed2k|sha1):')" =>
            "a magnet link needs an exact topic, for example xt=urn:btih: and the infohash",
    ]
}

text_type! {
    /// Base of an address that serves HTTP: scheme, host, optional port and path.
    BaseUrl, 8..=2048, "Base URL: http or https, a host, optionally a port and a path.", [
        "self.matches('(?i)^https?://[^/?#:\\\\s]')" =>
            "must be an http:// or https:// URL with a host",
        "!self.matches('(?i)^[a-z]+://[^/?#]*@')" =>
            "must not contain a user name or password: put them into a Secret and name it in credentialsSecretRef",
        "!self.matches('[?#\\\\s]')" =>
            "must not contain a query, a fragment or spaces",
    ]
}
