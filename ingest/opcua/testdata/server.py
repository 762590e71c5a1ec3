"""An OPC UA server for the tests, made of asyncua: a turbine whose values change 20 times a
second. usage: server.py PORT [--certs DIR] [--trust DIR] [--only-none] [--history]

SIGUSR1: it goes on answering and publishes nothing more, as a server whose subscription died.
"""
import asyncio, datetime, logging, math, pathlib, signal, sys

from asyncua import Server, ua
from asyncua.crypto.permission_rules import SimpleRoleRuleset, User, UserRole
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.server import internal_subscription
from asyncua.server.user_managers import UserManager

logging.disable(logging.CRITICAL)
silent = False
publish = internal_subscription.InternalSubscription.publish_results


async def quiet(self, *args, **kwargs):
    return False if silent else await publish(self, *args, **kwargs)


internal_subscription.InternalSubscription.publish_results = quiet


class Users(UserManager):
    def get_user(self, iserver, username=None, password=None, certificate=None):
        if username is None or (username == "reader" and password == "secret"):
            return User(role=UserRole.User)
        return None


async def main():
    global silent
    port, options = sys.argv[1], sys.argv[2:]
    server = Server(user_manager=Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}/")
    await server.set_application_uri("urn:telltale:test:server")
    policies = [ua.SecurityPolicyType.NoSecurity]
    if "--certs" in options:
        folder = options[options.index("--certs") + 1]
        await server.load_certificate(f"{folder}/server.pem")
        await server.load_private_key(f"{folder}/server-key.pem")
        if "--only-none" not in options:
            policies = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
    if "--trust" in options:
        trusted = TrustStore([pathlib.Path(options[options.index("--trust") + 1])], [])
        await trusted.load()
        check = CertificateValidatorOptions.TRUSTED_VALIDATION | CertificateValidatorOptions.PEER_CLIENT
        server.set_certificate_validator(CertificateValidator(check, trusted))
    server.set_security_policy(policies, permission_ruleset=SimpleRoleRuleset())
    space = await server.register_namespace("urn:telltale:test")
    turbine = await server.nodes.objects.add_object(space, "WT01")

    async def add(name, value, kind):
        return await turbine.add_variable(ua.NodeId(f"WT01.{name}", space), name, value, kind)

    power = await add("Power", 0.0, ua.VariantType.Double)
    unit = ua.EUInformation(NamespaceUri="http://www.opcfoundation.org/UA/units/un/cefact", UnitId=4937556, DisplayName=ua.LocalizedText("kW"))
    await power.add_property(ua.NodeId("WT01.Power.EngineeringUnits", space), "0:EngineeringUnits", unit)
    oil = await add("Oil", 400, ua.VariantType.Int16)
    running = await add("Running", True, ua.VariantType.Boolean)
    doubtful = await add("Doubtful", 0.0, ua.VariantType.Float)
    broken = await add("Broken", 0.0, ua.VariantType.Float)
    wave = await add("Wave", [0] * 100, ua.VariantType.Int16)
    def stop():
        global silent
        silent = True
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stop)
    async with server:
        if "--history" in options:
            await server.historize_node_data_change(power, period=datetime.timedelta(hours=1), count=10000)
        print("ready", flush=True)
        i = 0
        while True:
            now = datetime.datetime.now(datetime.timezone.utc)

            async def put(node, value, kind, status=ua.StatusCodes.Good):
                v = ua.DataValue(ua.Variant(value, kind), ua.StatusCode(status), SourceTimestamp=now)
                await server.write_attribute_value(node.nodeid, v)

            await put(power, 1000.0 + i, ua.VariantType.Double)
            await put(oil, 400 + i % 50, ua.VariantType.Int16)
            await put(running, i % 2 == 0, ua.VariantType.Boolean)
            await put(doubtful, float(i), ua.VariantType.Float, ua.StatusCodes.UncertainLastUsableValue)
            await put(broken, float(i), ua.VariantType.Float, ua.StatusCodes.BadSensorFailure)
            if i % 20 == 0:
                await put(wave, [i] + [int(1000 * math.sin(k)) for k in range(1, 100)], ua.VariantType.Int16)
            i += 1
            await asyncio.sleep(0.05)


asyncio.run(main())
