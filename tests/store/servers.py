# SPDX-License-Identifier: Apache-2.0
"""nginx as the current user on free ports of the loopback, certificates of a test CA, and a proxy in
front of it that breaks what passes through."""

import os
import shutil
import socket
import subprocess
import threading
import time

TLS = {  # name of the certificate: does its bearer deserve trust?
    "good": True,
    "wrong-name": False,
    "expired": False,
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def openssl(*args, cwd):
    subprocess.run(["openssl", *args], cwd=cwd, check=True, capture_output=True)


def make_certificates(path):
    """ca.pem, other-ca.pem and a key and certificate for each row of TLS, in `path`."""
    os.makedirs(path)
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for ca in "ca", "other-ca":
        openssl("req", "-x509", *new_key, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "30",
                "-subj", f"/CN=croft test {ca}", cwd=path)
    with open(f"{path}/ca.cnf", "w") as f:
        f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=index.txt\nnew_certs_dir=.\ndefault_md=sha256\n"
                "policy=any\nrand_serial=yes\nunique_subject=no\ncopy_extensions=copy\n"
                "[any]\ncommonName=supplied\n")
    open(f"{path}/index.txt", "w").close()
    for name in TLS:
        host = "IP:127.0.0.1" if name != "wrong-name" else "DNS:elsewhere.example"
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if name == "expired" \
            else ["-days", "30"]
        openssl("req", "-new", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}", cwd=path)
        openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key",
                "-in", f"{name}.csr", "-out", f"{name}.pem", *dates, cwd=path)


class Nginx:
    """Serves `root`; .port is HTTP, .tls[name] HTTPS with HTTP/2. `extra` goes into the servers."""

    def __init__(self, path, root, extra=""):
        self.path = path
        self.log = f"{path}/access.log"
        os.makedirs(path)
        make_certificates(f"{path}/tls")
        self.ca = f"{path}/tls/ca.pem"
        for _ in range(5):  # a port may be taken by somebody else meanwhile
            self.port = free_port()
            self.tls = {name: free_port() for name in TLS}
            if self.start(root, extra):
                return
        raise RuntimeError("nginx does not start: " + open(f"{path}/stderr").read())

    def start(self, root, extra):
        temps = "".join(f"{kind}_temp_path {self.path}/tmp;" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        servers = f"server {{ listen 127.0.0.1:{self.port}; {extra} }}"
        for name, port in self.tls.items():
            servers += (f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate tls/{name}.pem;"
                        f"ssl_certificate_key tls/{name}.key; {extra} }}")
        with open(f"{self.path}/nginx.conf", "w") as f:
            f.write(f"daemon off; master_process off; pid {self.path}/pid; worker_processes 1;\n"
                    f"events {{}}\nhttp {{ root {root}; {temps} sendfile on;\n"
                    "log_format t '$server_protocol $request_method $request_uri $status [$http_range]';\n"
                    f"access_log {self.log} t; {servers} }}\n"
                    .replace("@HTTP@", str(self.port)).replace("@HTTPS@", str(self.tls["good"])))
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([program, "-p", self.path, "-c", f"{self.path}/nginx.conf", "-e",
                                         "stderr"], stderr=open(f"{self.path}/stderr", "w"))
        while self.process.poll() is None:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", max(self.port, *self.tls.values()))) == 0:
                    return True
            time.sleep(0.02)
        return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Cut(Exception):
    """The proxy closes the connection here."""


class Proxy:
    """Passes HTTP/1.1 to `upstream`. What happens on the way is replaced from outside:

    request(head)        the request's head; may return a whole answer instead of asking upstream
    head(status, lines)  the answer's header lines (a list, changed in place)
    body(offset, data)   `offset` in the file; returns the bytes to pass, or raises Cut after .send

    hidden               names of the request's headers (lower case) that upstream does not see

    .sent counts bytes of bodies that went to the client, .requests are the heads that came.
    """

    def __init__(self, upstream):
        self.upstream = upstream
        self.requests = []
        self.sent = 0
        self.reset = False  # cut with RST instead of FIN
        self.hidden = set()
        self.request = lambda head: None
        self.head = lambda status, lines: None
        self.body = lambda offset, data: data
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept; only then may the number be used again
        self.thread.join()
        self.socket.close()

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/{name}"

    def serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.handle, args=(client,), daemon=True).start()

    def handle(self, client):
        try:
            with client:
                self.converse(client)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):  # what it still says: closing on that would be a reset
                    pass
        except OSError:
            pass

    @staticmethod
    def read_head(s):
        head = b""
        while b"\r\n\r\n" not in head:
            data = s.recv(65536)
            if not data:
                return None, b""
            head += data
        head, _, rest = head.partition(b"\r\n\r\n")
        return head.decode("latin-1"), rest

    def converse(self, client):
        head, _ = self.read_head(client)
        if head is None:
            return
        self.requests.append(head)
        canned = self.request(head)
        if canned is not None:
            client.sendall(canned)
            return
        hidden = self.hidden | {"connection", "proxy-connection"}
        lines = [x for x in head.split("\r\n") if x.split(":")[0].lower() not in hidden]
        method, target, version = lines[0].split(" ")
        if target.startswith("http://"):  # asked as a forward proxy
            target = "/" + target.split("/", 3)[3]
        lines[0] = f"{method} {target} {version}"
        with socket.create_connection(("127.0.0.1", self.upstream)) as up:
            up.sendall(("\r\n".join(lines + ["Connection: close"]) + "\r\n\r\n").encode("latin-1"))
            head, rest = self.read_head(up)
            if head is not None:
                self.relay(client, up, head.split("\r\n"), rest)

    def relay(self, client, up, lines, data):
        offset = 0
        for line in lines:
            if line.lower().startswith("content-range: bytes ") and "*/" not in line:
                offset = int(line.split(" ")[2].split("-")[0])
        self.head(int(lines[0].split(" ")[1]), lines)
        client.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        try:
            while data or (data := up.recv(65536)):
                self.send(client, self.body(offset, data))
                offset += len(data)
                data = b""
        except Cut as cut:
            self.send(client, cut.args[0] if cut.args else b"")
            if self.reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()

    def send(self, client, data):
        client.sendall(data)
        self.sent += len(data)
