"""Browses, reads and subscribes with asyncua's client. usage: client.py ENDPOINT"""
import asyncio, logging, sys

from asyncua import Client, ua

logging.disable(logging.CRITICAL)


class Heard:
    def __init__(self):
        self.values, self.enough = [], asyncio.Event()

    def datachange_notification(self, node, value, data):
        self.values.append(value)
        if len(self.values) == 20:
            self.enough.set()


async def main():
    async with Client(sys.argv[1]) as client:
        objects = [o for o in await client.nodes.objects.get_children() if o.nodeid.NamespaceIndex == 2]
        names = [(await o.read_browse_name()).Name for o in objects]
        variables = await objects[0].get_variables()
        below = [(await v.read_browse_name()).Name for v in variables]
        unit = (await (await variables[0].get_properties())[0].read_value()).DisplayName.Text
        wave = await client.get_node("ns=2;s=wt01.gearbox").read_value()
        power = client.get_node("ns=2;s=wt01.power")
        try:
            await power.write_value(1.0)
            write = "taken"
        except ua.UaStatusCodeError:
            write = "refused"
        heard = Heard()
        subscription = await client.create_subscription(200, heard)
        handle = await subscription.subscribe_data_change(power, queuesize=100)
        await asyncio.wait_for(heard.enough.wait(), 20)
        await subscription.unsubscribe(handle)
        await subscription.delete()
        v = heard.values
        status = (await power.read_data_value()).StatusCode.name
        print("objects", names, "variables", below, "unit", unit, "wave", wave, "write", write, "in order", v == [v[0] + i for i in range(len(v))], "status", status)


asyncio.run(main())
