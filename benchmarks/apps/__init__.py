"""The sites that are measured. All answer with the same greeting; benchmarks/servers.py says how they are served."""

HOSTNAME = "www.example.test"
REALM = "KRBTEST.COM"
HELLO = "hello"
PROBE_PATH = "/probe"
