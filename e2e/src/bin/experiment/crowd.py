"""The peers of the experiment: each in a network namespace of its own, its line shaped by tc, told what to do by lines of JSON.

One thread a peer makes the namespace and starts everything of the peer in it; the namespace ends with this process.
"""
import ctypes
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time

import libtorrent as lt

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)
said = threading.Lock()


def say(**fields):
    with said:
        print(json.dumps(fields), flush=True)


def run(*words):
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def leave(session, handle, child, seed):
    if session is not None:
        session.remove_torrent(handle, 0 if seed else lt.options_t.delete_files)
        time.sleep(1)
    if child is not None:
        child.terminate()
        child.wait()


class Peer:
    def __init__(self, number):
        self.number, self.told = number, queue.Queue()
        self.session = self.handle = self.child = None
        self.down, self.began, self.ended, self.seed = 0, 0.0, None, False
        threading.Thread(target=self.live, daemon=True).start()

    def live(self):
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "no network namespace can be made")
        say(event="made", peer=self.number, thread=threading.get_native_id())
        while True:
            order = self.told.get()
            getattr(self, order["do"])(order)
            say(event=order["do"], peer=self.number)

    def wire(self, order):
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", order["address"] + "/16", "dev", "eth0")
        run("ip", "link", "set", "eth0", "gso_max_segs", "1", "up")
        shape = ["rate", f"{order['up'] * 8}bit", "burst", "8kb", "latency", "400ms"]
        run("tc", "qdisc", "add", "dev", "eth0", "root", "tbf", *shape)
        self.address, self.line = order["address"], order["up"]

    def start(self, order):
        self.down, self.ended, self.seed = 0, None, order["seed"]
        self.size, self.began = order["size"], time.monotonic()
        if order["client"] == "aria2":
            self.aria2(order)
            return
        pace = order["pace"]
        self.session = lt.session({
            "listen_interfaces": self.address + ":6881", "outgoing_interfaces": self.address, "enable_dht": False,
            "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False, "enable_outgoing_utp": False,
            "enable_incoming_utp": False, "min_announce_interval": pace, "min_reconnect_time": 5, "alert_mask": 0,
            "upload_rate_limit": self.line * 95 // 100, "unchoke_slots_limit": 4, "unchoke_interval": 5,
            "optimistic_unchoke_interval": 10, "aio_threads": 1, "hashing_threads": 1, "file_pool_size": 2,
        })
        params = lt.add_torrent_params()
        params.ti, params.save_path = lt.torrent_info(order["torrent"]), order["folder"]
        if self.seed:
            params.flags |= lt.torrent_flags.seed_mode
        self.handle = self.session.add_torrent(params)

    def aria2(self, order):
        words = ["aria2c", "--no-conf", "--enable-dht=false", "--bt-enable-lpd=false", "--seed-time=600",
                 "--file-allocation=none", "--human-readable=false", "--summary-interval=1", "--enable-color=false",
                 f"--bt-tracker-interval={order['pace']}", "--listen-port=6881",
                 f"--max-upload-limit={self.line * 95 // 100}", "--dir", order["folder"], order["torrent"]]
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        threading.Thread(target=self.listen, args=(self.child,), daemon=True).start()

    def listen(self, child):
        pattern, rest = re.compile(rb"(\d+)B?/(\d+)B?\("), b""
        while chunk := os.read(child.stdout.fileno(), 4096):
            rest = (rest + chunk)[-4096:]
            for match in pattern.finditer(rest):
                if child is self.child:
                    self.down = max(self.down, int(match[1]))
            # Once it has everything it says no numbers any more.
            if child is self.child and b"SEED(" in rest:
                self.down = self.size

    def look(self):
        if self.handle is not None:
            status = self.handle.status()
            self.down = status.total_payload_download
            whole = status.is_seeding
        else:
            whole = self.child is not None and self.down >= self.size
        if whole and self.ended is None and not self.seed:
            self.ended = time.monotonic() - self.began

    def stop(self, order):
        session, handle, child = self.session, self.handle, self.child
        self.session = self.handle = self.child = None
        # The tracker is told that it goes, which takes a moment that nobody waits for.
        threading.Thread(target=leave, args=(session, handle, child, self.seed), daemon=True).start()


def main():
    peers = {}
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "make":
            peers[order["peer"]] = Peer(order["peer"])
        elif order["do"] == "poll":
            found = []
            for peer in peers.values():
                peer.look()
                found.append([peer.number, peer.down, peer.ended])
            say(event="poll", peers=found)
        else:
            peers[order["peer"]].told.put(order)


main()
