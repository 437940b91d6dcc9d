"""libtorrent as a seed or as a downloader, told what to do by one JSON object on the command line; ends with standard input."""
import json
import os
import sys
import time

import libtorrent as lt

SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    # uTP gives way to every other flow, and on a loopback to itself.
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": 0,
    "connections_limit": 500,
    "unchoke_slots_limit": -1,
    "min_reconnect_time": 1,
    "dht_restrict_routing_ips": False,
    "dht_restrict_search_ips": False,
    "dht_enforce_node_id": False,
    "dht_prefer_verified_node_ids": False,
    "dht_ignore_dark_internet": False,
    "dht_max_peers_reply": 100,
    "dht_bootstrap_nodes": "",
}


def entries(root, name):
    """The files below a path, in the order of their names."""
    path = os.path.join(root, name)
    if os.path.isfile(path):
        return [lt.create_file_entry(name, os.path.getsize(path))]
    found = []
    for folder, folders, files in os.walk(path):
        folders.sort()
        for each in sorted(files):
            whole = os.path.join(folder, each)
            found.append(lt.create_file_entry(os.path.relpath(whole, root), os.path.getsize(whole)))
    return found


def make(order):
    """A torrent of order["name"] in order["root"]."""
    flags = {"v1": lt.create_torrent.v1_only, "v2": lt.create_torrent.v2_only, "hybrid": 0}[order["kind"]]
    torrent = lt.create_torrent(entries(order["root"], order["name"]), order["piece"], flags)
    for tracker in order.get("trackers", []):
        torrent.add_tracker(tracker)
    for seed in order.get("web_seeds", []):
        torrent.add_url_seed(seed)
    if order.get("private"):
        torrent.set_priv(True)
    lt.set_piece_hashes(torrent, order["root"])
    made = torrent.generate()
    if order.get("http_seeds"):
        # This version of libtorrent reads and writes none.
        made[b"httpseeds"] = [seed.encode() for seed in order["http_seeds"]]
    return lt.bencode(made)


def add(session, torrent, path, flags):
    params = lt.add_torrent_params()
    params.ti = lt.torrent_info(torrent)
    params.save_path = path
    params.flags = flags
    return session.add_torrent(params)


def seed(order):
    torrent = make(order)
    sessions, ports, handles = [], [], []
    for number in range(order.get("seeds", 1)):
        settings = dict(SETTINGS, **order.get("settings", {}))
        if order.get("dht"):
            settings.update(enable_dht=True, dht_bootstrap_nodes=",".join(f"127.0.0.1:{port}" for port in ports))
        limits = order.get("limits")
        if limits:
            settings["upload_rate_limit"] = limits[number % len(limits)]
        session = lt.session(settings)
        if limits:
            # Peers of the loopback are held to the limit like any other (class 0).
            everybody = lt.ip_filter()
            everybody.add_rule("0.0.0.0", "255.255.255.255", 1)
            session.set_peer_class_filter(everybody)
        handle = add(session, torrent, order["root"], lt.torrent_flags.seed_mode | lt.torrent_flags.upload_mode)
        handle.set_upload_limit(order.get("limit", -1))
        while session.listen_port() == 0 or not handle.status().is_seeding:
            time.sleep(0.01)
        if order.get("dht"):
            for port in ports:
                session.add_dht_node(("127.0.0.1", port))
        sessions.append(session)
        ports.append(session.listen_port())
        handles.append(handle)
    if order.get("dht"):
        # The announce is repeated until the other nodes have taken it.
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not all(s.dht_state() and s.is_dht_running() for s in sessions):
            time.sleep(0.05)
        for handle in handles:
            handle.force_dht_announce()
        time.sleep(1)
    said = {"ports": ports, "torrent": torrent.hex(), "magnet": lt.make_magnet_uri(handles[0])}
    print(json.dumps(said), flush=True)
    sys.stdin.read()


def download(order):
    """Fetches a torrent from the peers at order["ports"] and tells the seconds it took."""
    session = lt.session(dict(SETTINGS, **order.get("settings", {})))
    begun = time.monotonic()
    handle = add(session, bytes.fromhex(order["torrent"]), order["root"], lt.torrent_flags.default_flags)
    handle.unset_flags(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    for port in order["ports"]:
        handle.connect_peer(("127.0.0.1", port))
    while not handle.status().is_seeding:
        time.sleep(0.002)
    print(json.dumps({"seconds": time.monotonic() - begun}), flush=True)


def leech(order):
    """Waits for peers that come by themselves; tells where, and for each line on standard input how many bytes it has of the file."""
    session = lt.session(SETTINGS)
    handle = add(session, bytes.fromhex(order["torrent"]), order["root"], lt.torrent_flags.default_flags)
    handle.unset_flags(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    while session.listen_port() == 0:
        time.sleep(0.01)
    print(json.dumps({"port": session.listen_port()}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({"bytes": handle.status().total_wanted_done}), flush=True)


order = json.loads(sys.argv[1])
{"download": download, "leech": leech}.get(order.get("role"), seed)(order)
