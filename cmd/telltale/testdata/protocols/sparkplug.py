"""An edge node of Sparkplug B, with the payloads and the MQTT client of pysparkplug, that plays a
table: at each period its device says the next row, all columns by their aliases with one
timestamp, at QoS 0. It is born again at each connection and when it is asked to be. Every
LOSES-th message is counted and never sent. What it had to say is written to a log first.
usage: sparkplug.py PORT TABLE LOG PERIOD_S LOSES
"""
import csv, sys, threading, time

import pysparkplug as spb

port, table, log, period, loses = int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])
with open(table) as f:
    rows = [[float(x) for x in row] for row in csv.reader(f)]
said = open(log, "ab", buffering=0)
GROUP, EDGE, DEVICE = "farm", "edge", "WT01"


class Edge:
    def __init__(self):
        self.lock = threading.RLock()  # the client calls back from a thread of its own
        self.born, self.seq, self.births, self.values, self.stamp = False, 0, 0, rows[0], now()
        options = spb.ClientOptions(reconnection_delay_min=1, reconnection_delay_max=1)
        self.client = spb.Client("edge", client_options=options)
        command = spb.Topic(message_type=spb.MessageType.NCMD, group_id=GROUP, edge_node_id=EDGE)
        self.client.subscribe(command, spb.QoS.AT_LEAST_ONCE, self.commanded)

    def connect(self):
        self.will()
        self.client.connect("127.0.0.1", port=port, keepalive=5, callback=self.connected)

    def will(self):
        self.number = spb.Metric(timestamp=now(), name="bdSeq", datatype=spb.DataType.INT64, value=self.births % 256)
        self.births += 1
        death = spb.NDeath(timestamp=now(), bd_seq_metric=self.number)
        self.client.set_will(spb.Message(topic=self.topic(spb.MessageType.NDEATH), payload=death, qos=spb.QoS.AT_LEAST_ONCE, retain=False))

    def topic(self, kind, device=None):
        return spb.Topic(message_type=kind, group_id=GROUP, edge_node_id=EDGE, device_id=device)

    def connected(self, _):
        with self.lock:
            self.current = self.number
            self.will()  # of the next connection
            self.birth()

    def commanded(self, _, message):
        if any(m.name == "Node Control/Rebirth" and m.value for m in message.payload.metrics):
            with self.lock:
                said.write(b"asked 0 0\n")
                self.birth()

    def birth(self):
        try:
            self.births_of_all()
        except spb.MQTTError:  # the connection is gone already
            self.born = False

    def births_of_all(self):
        rebirth = spb.Metric(timestamp=now(), name="Node Control/Rebirth", datatype=spb.DataType.BOOLEAN, value=False)
        self.seq = 0
        self.say(spb.MessageType.NBIRTH, None, spb.NBirth(timestamp=now(), seq=self.next(), metrics=(self.current, rebirth)))
        self.say(spb.MessageType.DBIRTH, DEVICE, spb.DBirth(timestamp=now(), seq=self.next(), metrics=self.metrics(True)))
        self.born = True

    def metrics(self, named):
        return tuple(
            spb.Metric(timestamp=self.stamp, name=str(i) if named else None, alias=i, datatype=spb.DataType.DOUBLE, value=x)
            for i, x in enumerate(self.values)
        )

    def next(self):
        seq = self.seq
        self.seq = (seq + 1) % 256
        return seq

    def say(self, kind, device, payload):
        self.client.publish(spb.Message(topic=self.topic(kind, device), payload=payload, qos=spb.QoS.AT_MOST_ONCE, retain=False))

    def play(self, row, lost):
        with self.lock:
            self.values, self.stamp = rows[row], now()
            said.write(f"had {row} {self.stamp}\n".encode())
            if not self.born:
                return
            data = spb.DData(timestamp=self.stamp, seq=self.next(), metrics=self.metrics(False))
            if lost:
                said.write(f"lost {row} {self.stamp}\n".encode())
                return
            try:
                self.say(spb.MessageType.DDATA, DEVICE, data)
            except spb.MQTTError:
                self.born = False


def now():
    return time.time_ns() // 1_000_000


edge = Edge()
edge.connect()
while not edge.born:
    time.sleep(0.01)
print("ready", flush=True)
count = 0
while True:
    tick = int(time.time() / period) + 1
    time.sleep(max(0.0, tick * period - time.time()))
    count += 1
    edge.play(tick % len(rows), count % loses == 0)
