"""pyftpdlib with faults named on the command line: FOLDER CERTIFICATE FAULT..."""

import logging
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, ThrottledDTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

folder, certificate, faults = sys.argv[1], sys.argv[2], set(sys.argv[3:])
base = TLS_FTPHandler if certificate else FTPHandler


def option(name, default=0):
    found = [int(fault.split("=")[1]) for fault in faults if fault.startswith(name + "=")]
    return found[0] if found else default


class Handler(base):
    banner = "ready"
    permit_foreign_addresses = False
    broken = set()
    sessions = 0

    def pre_process_command(self, line, cmd, arg):
        print(cmd, flush=True)
        super().pre_process_command(line, cmd, arg)

    def handle(self):
        if "tls-implicit" in faults:
            # The greeting follows when TLS stands.
            self.secure_connection(self.ssl_context)
            return
        self.greet()

    def handle_ssl_established(self):
        if "tls-implicit" in faults:
            self.greet()

    def greet(self):
        Handler.sessions += 1
        if Handler.sessions <= option("busy"):
            self.respond("421 Too many connections")
            self.close_when_done()
            return
        super().handle()

    def ftp_SIZE(self, path):
        if "no-size" in faults:
            return self.respond("500 Command not understood")
        return super().ftp_SIZE(path)

    def ftp_MDTM(self, path):
        if "no-size" in faults:
            return self.respond("500 Command not understood")
        return super().ftp_MDTM(path)

    def ftp_REST(self, line):
        if "no-rest" in faults:
            return self.respond("502 Command not implemented")
        if "rest-ignored" in faults:
            return self.respond("350 Restarting, or so it says")
        return super().ftp_REST(line)

    def ftp_EPSV(self, line):
        if "no-epsv" in faults:
            return self.respond("500 Command not understood")
        return super().ftp_EPSV(line)

    def respond(self, resp, *rest, **more):
        if resp.startswith("226") and "no-226" in faults:
            return
        if resp.startswith("227"):
            numbers = resp[resp.index("(") + 1 : resp.index(")")].split(",")
            if "private-pasv" in faults:
                resp = "227 Entering Passive Mode (10,0,0,1,%s,%s)." % tuple(numbers[4:])
            if "bounce" in faults:
                port = option("bounce-port")
                resp = "227 Entering Passive Mode (127,0,0,2,%d,%d)." % (port >> 8, port & 255)
        super().respond(resp, *rest, **more)

    def ftp_TYPE(self, line):
        if "ascii-only" in faults and line.upper() == "I":
            return self.respond("504 Only ASCII here")
        return super().ftp_TYPE(line)

    def ftp_RETR(self, path):
        if "busy-file" in faults and "busy-file" not in Handler.broken:
            Handler.broken.add("busy-file")
            return self.respond("450 File busy")
        for code, text in (("425", "Cannot open data connection"), ("451", "Local error"), ("452", "No room")):
            if "refuse-" + code in faults and code not in Handler.broken:
                Handler.broken.add(code)
                return self.respond(code + " " + text)
        return super().ftp_RETR(path)


class Breaking:
    """Ends the whole session, with 421, once, after so many bytes of one transfer."""

    sent = 0

    def send(self, data):
        limit = option("abort-after")
        if limit and "abort" not in Handler.broken and self.sent + len(data) > limit:
            Handler.broken.add("abort")
            self.cmd_channel.respond("426 Connection closed, transfer aborted")
            self.close()
            return 0
        limit = option("break-after")
        if limit and "break" not in Handler.broken and self.sent + len(data) > limit:
            Handler.broken.add("break")
            self.cmd_channel.respond("421 Service going down")
            self.cmd_channel.close_when_done()
            self.close()
            return 0
        sent = super().send(data)
        self.sent += sent
        return sent


class Data(Breaking, TLS_DTPHandler if certificate else DTPHandler):
    pass


class SlowData(Breaking, ThrottledDTPHandler):
    read_limit = write_limit = option("rate")


authorizer = DummyAuthorizer()
authorizer.add_user("alice", "open sesame", folder, perm="elr")
if "no-anonymous" not in faults:
    authorizer.add_anonymous(folder)
Handler.authorizer = authorizer
Handler.use_sendfile = False
Handler.dtp_handler = SlowData if option("rate") else Data
if certificate:
    Handler.certfile = certificate
    Handler.tls_control_required = Handler.tls_data_required = True
logging.basicConfig(level=logging.ERROR)
server = FTPServer(("127.0.0.1", 0), Handler)
print(server.address[1], flush=True)
server.serve_forever()
