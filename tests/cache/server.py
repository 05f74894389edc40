#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Serves a directory and logs each GET: server.py DIR LOG. Prints its port.

/slow/NAME sends half of NAME and then waits for DIR/go to appear.
"""
import http.server
import os
import sys
import threading
import time

root, log = sys.argv[1:]
lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        slow = self.path.startswith("/slow/")
        with lock, open(log, "a") as f:
            print(self.path, file=f)
        try:
            with open(os.path.join(root, os.path.basename(self.path)), "rb") as f:
                body = f.read()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        half = len(body) // 2 if slow else len(body)
        try:
            self.wfile.write(body[:half])
            self.wfile.flush()
            while slow and not os.path.exists(os.path.join(root, "go")):
                time.sleep(0.05)
            self.wfile.write(body[half:])
        except OSError:
            pass

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
