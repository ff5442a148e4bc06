//! Configurations that several files of stories begin with.

/// What they are about.
pub(crate) const VIP: &str = "10.0.0.100";

/// One instance that signs with PASS.
pub(crate) fn signed(priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance VI {{
            interface eth0
            virtual_router_id 51
            priority {priority}
            authentication {{
                auth_type PASS
                auth_pass 1111
            }}
            virtual_ipaddress {{
                {VIP}
            }}
            {extra}
        }}"
    )
}

/// One instance that announces its address once, so that transcripts stay short.
pub(crate) fn brief(priority: u8, extra: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{
            interface eth0
            virtual_router_id 51
            priority {priority}
            advert_int 1
            garp_master_repeat 1
            virtual_ipaddress {{
                {VIP}
            }}
            {extra}
        }}"
    )
}
