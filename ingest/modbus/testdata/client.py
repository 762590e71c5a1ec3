"""Reads float32 of a Modbus server with pymodbus. usage: client.py PORT UNIT ADDRESS COUNT"""
import sys

from pymodbus.client import ModbusTcpClient

port, unit, address, count = map(int, sys.argv[1:])
client = ModbusTcpClient("127.0.0.1", port=port)
assert client.connect()
answer = client.read_holding_registers(address, count=2 * count, device_id=unit)
assert not answer.isError(), answer
values = client.convert_from_registers(answer.registers, client.DATATYPE.FLOAT32)
refused = client.write_register(address, 1, device_id=unit).isError()
print(values, "write refused" if refused else "write taken")
