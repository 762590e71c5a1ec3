"""An OPC UA server of asyncua that plays a table: at each period the next row, all columns with
one source timestamp. A row is written to a log before it is set, and again after.
usage: opcua.py PORT TABLE LOG PERIOD_S
"""
import asyncio, csv, datetime, logging, sys, time

from asyncua import Server, ua

logging.disable(logging.CRITICAL)
port, table, log, period = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
with open(table) as f:
    rows = [[float(x) for x in row] for row in csv.reader(f)]
said = open(log, "ab", buffering=0)


async def main():
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:telltale:test")
    turbine = await server.nodes.objects.add_object(space, "WT01")
    nodes = [await turbine.add_variable(ua.NodeId(f"WT01.{i}", space), str(i), 0.0, ua.VariantType.Double) for i in range(len(rows[0]))]
    waiting = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
    for node in nodes:
        await server.write_attribute_value(node.nodeid, waiting)
    async with server:
        print("ready", flush=True)
        while True:
            tick = int(time.time() / period) + 1
            await asyncio.sleep(max(0.0, tick * period - time.time()))
            micros = time.time_ns() // 1000
            stamp = datetime.datetime.fromtimestamp(micros // 1_000_000, datetime.timezone.utc) + datetime.timedelta(microseconds=micros % 1_000_000)
            said.write(f"intends {tick % len(rows)} {micros * 1000}\n".encode())
            for node, x in zip(nodes, rows[tick % len(rows)]):
                value = ua.DataValue(ua.Variant(x, ua.VariantType.Double), SourceTimestamp=stamp)
                await server.write_attribute_value(node.nodeid, value)
            said.write(f"did {tick % len(rows)} {micros * 1000}\n".encode())


asyncio.run(main())
