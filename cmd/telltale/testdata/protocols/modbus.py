"""A Modbus TCP server of pymodbus that plays a table: each request is answered with the next
row, under its serial number, and written to a log before the answer leaves.
usage: modbus.py PORT TABLE LOG FIRST

Holding registers of unit 1: serial number (uint32) at 0, then a float32 for each column.
"""
import asyncio, csv, logging, struct, sys, time

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

logging.disable(logging.CRITICAL)
port, table, log, first = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
with open(table) as f:
    rows = [[float(x) for x in row] for row in csv.reader(f)]
served = open(log, "ab", buffering=0)
serial = first
SIZE = 2 + 2 * len(rows[0])


async def play(code, start, address, count, registers, values):
    global serial
    row = rows[serial % len(rows)]
    body = struct.pack(f">I{len(row)}f", serial, *row)
    registers[-start : SIZE - start] = struct.unpack(f">{SIZE}H", body)
    served.write(f"{serial} {time.time_ns()}\n".encode())
    serial += 1


async def main():
    device = SimDevice(1, simdata=[SimData(0, values=0, count=SIZE, datatype=DataType.REGISTERS)], action=play)
    server = ModbusTcpServer(device, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
