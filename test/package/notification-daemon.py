#!/usr/bin/python3
"""A notification daemon for tests, on the session bus (Desktop Notifications Specification 1.2). Each notification is a line of
JSON in the file that is named; where an action is named too, and offered, it is chosen."""

import json
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"


class Daemon(dbus.service.Object):
    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, app, _replaces, icon, summary, body, actions, hints, _timeout):
        said = {
            "app": str(app),
            "icon": str(icon),
            "summary": str(summary),
            "body": str(body),
            "actions": [str(each) for each in actions],
            "urgency": int(hints.get("urgency", 1)),
        }
        with open(sys.argv[1], "a", encoding="utf-8") as log:
            log.write(json.dumps(said) + "\n")
        GLib.timeout_add(100, self.answer, said["actions"][::2])
        return dbus.UInt32(1)

    def answer(self, offered):
        if len(sys.argv) > 2 and sys.argv[2] in offered:
            self.ActionInvoked(1, sys.argv[2])
        self.NotificationClosed(1, 2)
        return False

    @dbus.service.method(NAME, in_signature="u")
    def CloseNotification(self, _id):
        pass

    @dbus.service.method(NAME, out_signature="as")
    def GetCapabilities(self):
        return ["actions", "body", "body-markup"]

    @dbus.service.method(NAME, out_signature="ssss")
    def GetServerInformation(self):
        return ("test", "test", "1", "1.2")

    @dbus.service.signal(NAME, signature="us")
    def ActionInvoked(self, _id, _action):
        pass

    @dbus.service.signal(NAME, signature="uu")
    def NotificationClosed(self, _id, _reason):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus)
daemon = Daemon(bus, "/org/freedesktop/Notifications")
print("ready", flush=True)
GLib.MainLoop().run()
