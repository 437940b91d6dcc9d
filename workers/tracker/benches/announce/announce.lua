-- Announces of random peers in random torrents, for wrk. TORRENTS and CLOSE come from the environment.
local torrents = tonumber(os.getenv("TORRENTS"))
local headers = {}
if os.getenv("CLOSE") == "1" then
  headers["Connection"] = "close"
end

request = function()
  local torrent = math.floor(math.random() ^ 4 * torrents)
  local peer = math.random(0, 99999)
  local left = peer % 4 == 0 and 0 or 1
  local path = string.format(
    "/announce?info_hash=%020d&peer_id=-WK0001-%012d&port=%d&uploaded=0&downloaded=0&left=%d&numwant=30&compact=1",
    torrent, peer, 1024 + peer % 60000, left)
  return wrk.format("GET", path, headers)
end

done = function(summary)
  local failed = summary.errors.status + summary.errors.timeout
  io.write(string.format("answers %d %d\n", summary.requests - failed, summary.duration))
end
