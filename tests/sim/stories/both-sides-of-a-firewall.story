# Two instances in a group: when the inner cable goes, both addresses go to the other machine.
seed 5

router a
    vrrp_sync_group VG_1 {
        group {
            outside
            inside
        }
    }
    vrrp_instance outside {
        interface eth0
        virtual_router_id 51
        priority 150
        virtual_ipaddress {
            10.0.0.100
        }
    }
    vrrp_instance inside {
        interface eth1
        virtual_router_id 52
        priority 150
        virtual_ipaddress {
            10.1.0.100
        }
    }

router b
    vrrp_sync_group VG_1 {
        group {
            outside
            inside
        }
    }
    vrrp_instance outside {
        interface eth0
        virtual_router_id 51
        priority 100
        virtual_ipaddress {
            10.0.0.100
        }
    }
    vrrp_instance inside {
        interface eth1
        virtual_router_id 52
        priority 100
        virtual_ipaddress {
            10.1.0.100
        }
    }

at 0 a starts
at 0 b starts
at 15 a alone has 10.0.0.100
at 15 a alone has 10.1.0.100
at 15 a loses its cable on eth1
at 16 a is FAULT
at 20 b alone has 10.0.0.100
at 20 b alone has 10.1.0.100
at 20 a gets its cable on eth1
at 30 a alone has 10.0.0.100
at 30 a alone has 10.1.0.100
